/*
 * Sends commands through libiscsi and prints what comes back, byte for byte.
 *
 *     command PORTAL TARGET none|crc32c LUN:CDB:LENGTH|LUN:CDB:>DATA...
 *
 * CDB and DATA are in hex; LENGTH is the most bytes that may come back, DATA goes to the target. Unit attentions are
 * taken out of the way first. Prints a line for each command: `good`; or `check` with sense key, additional sense
 * code and qualifier, the bits that are set, and INFORMATION where it is valid; or the status. The data that came
 * stand behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#define MAX_CDB 16

static struct iscsi_context *iscsi;
static const struct iscsi_data NOTHING;

static void give_up(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, iscsi_get_error(iscsi));
    exit(1);
}

static struct scsi_task *command(int lun, unsigned char *cdb, int cdb_size, struct iscsi_data in, struct iscsi_data out)
{
    int direction = in.size > 0 ? SCSI_XFER_READ : out.size > 0 ? SCSI_XFER_WRITE : SCSI_XFER_NONE;
    struct scsi_task *task = scsi_create_task(cdb_size, cdb, direction, (int)(in.size + out.size));
    if (in.size > 0)
        scsi_task_add_data_in_buffer(task, (int)in.size, in.data);
    if (iscsi_scsi_command_sync(iscsi, lun, task, out.size > 0 ? &out : NULL) == NULL)
        give_up("command");
    return task;
}

/* Unit attentions come one at a time; there are never many. */
static void settle(int lun)
{
    int pending = 1;
    for (int i = 0; pending && i < 8; i++) {
        unsigned char test_unit_ready[6] = {0};
        struct scsi_task *task = command(lun, test_unit_ready, 6, NOTHING, NOTHING);
        pending = task->status == SCSI_STATUS_CHECK_CONDITION && task->sense.key == SCSI_SENSE_UNIT_ATTENTION;
        scsi_free_scsi_task(task);
    }
}

static void show(const struct scsi_task *task, struct iscsi_data in)
{
    if (task->status == SCSI_STATUS_GOOD) {
        printf("good ");
    } else if (task->status == SCSI_STATUS_CHECK_CONDITION) {
        /* Behind SenseLength, in the fixed format (RFC 7143 11.4.7.1, SPC-4 4.5.3). */
        const unsigned char *sense = task->datain.data + 2;
        if (task->datain.size < 20 || (sense[0] & 0x7f) != 0x70)
            give_up("sense data");
        printf("check %x/%02x%02x ", sense[2] & 0x0fu, sense[12], sense[13]);
        if (sense[2] & 0x80)
            printf("filemark ");
        if (sense[2] & 0x40)
            printf("eom ");
        if (sense[2] & 0x20)
            printf("ili ");
        if (sense[0] & 0x80)
            printf("%d ", (int)((unsigned)sense[3] << 24 | sense[4] << 16 | sense[5] << 8 | sense[6]));
    } else {
        printf("status %02x ", (unsigned)task->status);
    }
    size_t missing = task->residual_status == SCSI_RESIDUAL_UNDERFLOW ? task->residual : 0;
    for (size_t i = 0; i + missing < in.size; i++)
        printf("%02x", in.data[i]);
    printf("\n");
}

static int digits(const char *hex, unsigned char *bytes, int most)
{
    int size = 0;
    for (unsigned byte; size < most && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        bytes[size++] = (unsigned char)byte;
    return size;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    iscsi = iscsi_create_context("iqn.2026-11.test:command");
    iscsi_set_targetname(iscsi, argv[2]);
    iscsi_set_session_type(iscsi, ISCSI_SESSION_NORMAL);
    iscsi_set_noautoreconnect(iscsi, 1);
    iscsi_set_timeout(iscsi, 10);
    iscsi_set_header_digest(iscsi, strcmp(argv[3], "crc32c") == 0 ? ISCSI_HEADER_DIGEST_CRC32C
                                                                  : ISCSI_HEADER_DIGEST_NONE);
    if (iscsi_full_connect_sync(iscsi, argv[1], -1) != 0)
        give_up("login");

    for (int i = 4; i < argc; i++) {
        unsigned char cdb[MAX_CDB] = {0};
        char *at = argv[i];
        int lun = (int)strtol(at, &at, 10);
        char *data = strrchr(at, ':');
        if (*at != ':' || data == at)
            return 2;
        *data++ = '\0';
        int size = digits(at + 1, cdb, MAX_CDB);
        struct iscsi_data in = NOTHING, out = NOTHING;
        if (*data == '>') {
            out.data = malloc(strlen(data));
            out.size = (size_t)digits(data + 1, out.data, (int)strlen(data));
        } else {
            in.size = (size_t)atol(data);
            in.data = calloc(in.size + 1, 1);
        }
        settle(lun);
        struct scsi_task *task = command(lun, cdb, size, in, out);
        show(task, in);
        scsi_free_scsi_task(task);
        free(in.data);
        free(out.data);
    }
    if (iscsi_logout_sync(iscsi) != 0)
        give_up("logout");
    iscsi_destroy_context(iscsi);
    return 0;
}
