/*
 * Sends commands through libiscsi and prints what comes back, byte for byte.
 *
 *     command PORTAL TARGET none|crc32c LUN:CDB:LENGTH...
 *
 * CDB is in hex, LENGTH the most bytes that may come back. Unit attentions are taken out of the way first. Prints a line
 * for each command: `good` and the data in hex, `check` with sense key, additional sense code and qualifier, or the status.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#define MAX_CDB 16

static struct iscsi_context *iscsi;

static void give_up(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, iscsi_get_error(iscsi));
    exit(1);
}

static struct scsi_task *command(int lun, unsigned char *cdb, int cdb_size, int length)
{
    struct scsi_task *task = scsi_create_task(cdb_size, cdb, length > 0 ? SCSI_XFER_READ : SCSI_XFER_NONE, length);
    if (iscsi_scsi_command_sync(iscsi, lun, task, NULL) == NULL)
        give_up("command");
    return task;
}

/* Unit attentions come one at a time; there are never many. */
static void settle(int lun)
{
    int pending = 1;
    for (int i = 0; pending && i < 8; i++) {
        unsigned char test_unit_ready[6] = {0};
        struct scsi_task *task = command(lun, test_unit_ready, 6, 0);
        pending = task->status == SCSI_STATUS_CHECK_CONDITION && task->sense.key == SCSI_SENSE_UNIT_ATTENTION;
        scsi_free_scsi_task(task);
    }
}

static void show(const struct scsi_task *task)
{
    if (task->status == SCSI_STATUS_GOOD) {
        printf("good ");
        for (int i = 0; i < task->datain.size; i++)
            printf("%02x", task->datain.data[i]);
        printf("\n");
    } else if (task->status == SCSI_STATUS_CHECK_CONDITION) {
        printf("check %x/%04x\n", (unsigned)task->sense.key, (unsigned)task->sense.ascq);
    } else {
        printf("status %02x\n", (unsigned)task->status);
    }
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
        char hex[2 * MAX_CDB + 1];
        int lun, length, size = 0;
        if (sscanf(argv[i], "%d:%32[0-9a-f]:%d", &lun, hex, &length) != 3)
            return 2;
        for (unsigned byte; hex[2 * size] != '\0' && sscanf(hex + 2 * size, "%2x", &byte) == 1; size++)
            cdb[size] = (unsigned char)byte;
        settle(lun);
        struct scsi_task *task = command(lun, cdb, size, length);
        show(task);
        scsi_free_scsi_task(task);
    }
    if (iscsi_logout_sync(iscsi) != 0)
        give_up("logout");
    iscsi_destroy_context(iscsi);
    return 0;
}
