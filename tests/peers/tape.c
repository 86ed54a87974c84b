/*
 * Writes a tape and reads it back, as an initiator that shares no code with the target: everything goes through
 * libiscsi.
 *
 *     tape PORTAL TARGET none|crc32c SLOT DRIVE RECORD...
 *
 * A RECORD is the length of a block, or F for a filemark. The cartridge is moved from element SLOT of LUN 0 into
 * element DRIVE, which is LUN 1, and back again when all is done. Byte j of block i, both from 0, is
 * (31 i + 7 j + j / 256) mod 256. Prints a line for each step; ends with status 1 and a reason at the first one that
 * did not go as SSC-4 says.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

enum { CHANGER, DRIVE };

/* How a command ended. The sense bits are those of byte 2 of fixed format sense data (SPC-4 table 53). */
struct reply {
    int status;
    int key, ascq;
    int filemark, end_of_medium, incorrect_length;
    long information;
    /* Bytes that the target says it transferred less than asked. */
    size_t residual;
};

static struct iscsi_context *iscsi;

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void expect(const char *what, long found, long expected)
{
    if (found != expected)
        fail("%s: %ld instead of %ld", what, found, expected);
}

static struct reply command(int lun, unsigned char *cdb, int cdb_size, int direction, unsigned char *data, size_t size)
{
    struct scsi_task *task = scsi_create_task(cdb_size, cdb, direction, (int)size);
    struct iscsi_data out = {size, data};
    struct reply reply = {0};

    if (direction == SCSI_XFER_READ)
        scsi_task_add_data_in_buffer(task, (int)size, data);
    if (iscsi_scsi_command_sync(iscsi, lun, task, direction == SCSI_XFER_WRITE ? &out : NULL) == NULL)
        fail("opcode %02x: %s", cdb[0], iscsi_get_error(iscsi));
    reply.status = task->status;
    if (task->residual_status == SCSI_RESIDUAL_UNDERFLOW)
        reply.residual = task->residual;
    if (task->status == SCSI_STATUS_CHECK_CONDITION) {
        /* The data segment of the SCSI Response: SenseLength, then the sense data (RFC 7143 11.4.7.1). */
        const unsigned char *sense = task->datain.data + 2;
        if (task->datain.size < 20 || (sense[0] & 0x7f) != 0x70)
            fail("opcode %02x: %d bytes of sense data that begin with %02x", cdb[0], task->datain.size, sense[0]);
        reply.key = sense[2] & 0x0f;
        reply.ascq = sense[12] << 8 | sense[13];
        reply.filemark = sense[2] >> 7;
        reply.end_of_medium = sense[2] >> 6 & 1;
        reply.incorrect_length = sense[2] >> 5 & 1;
        reply.information = (int)((unsigned)sense[3] << 24 | sense[4] << 16 | sense[5] << 8 | sense[6]);
    }
    scsi_free_scsi_task(task);
    return reply;
}

static void good(const char *what, struct reply reply)
{
    if (reply.status != SCSI_STATUS_GOOD)
        fail("%s: status %02x, sense %x/%04x", what, reply.status, reply.key, reply.ascq);
}

static void sense(const char *what, struct reply reply, int key, int ascq)
{
    if (reply.status != SCSI_STATUS_CHECK_CONDITION || reply.key != key || reply.ascq != ascq)
        fail("%s: status %02x, sense %x/%04x instead of %x/%04x", what, reply.status, reply.key, reply.ascq, key, ascq);
}

static struct reply without_data(int lun, int code, int second, int count)
{
    unsigned char cdb[6] = {(unsigned char)code, (unsigned char)second, (unsigned char)(count >> 16),
                            (unsigned char)(count >> 8), (unsigned char)count, 0};
    return command(lun, cdb, 6, SCSI_XFER_NONE, NULL, 0);
}

static struct reply test_unit_ready(int lun) { return without_data(lun, 0x00, 0, 0); }
static struct reply rewind_tape(void) { return without_data(DRIVE, 0x01, 0, 0); }
static struct reply write_filemarks(int count) { return without_data(DRIVE, 0x10, 0, count); }
static struct reply space(int code, int count) { return without_data(DRIVE, 0x11, code, count); }

static void unload(void)
{
    good("LOAD UNLOAD", without_data(DRIVE, 0x1b, 0, 0));
    /* The cartridge is out of reach until it is loaded or replaced: NOT READY, MEDIUM NOT PRESENT or alike. */
    struct reply reply = test_unit_ready(DRIVE);
    if (reply.status != SCSI_STATUS_CHECK_CONDITION || reply.key != 2)
        fail("TEST UNIT READY of an unloaded tape: status %02x, sense %x/%04x", reply.status, reply.key, reply.ascq);
}

static struct reply transfer(int code, unsigned char *data, size_t size)
{
    unsigned char cdb[6] = {(unsigned char)code, 0, (unsigned char)(size >> 16), (unsigned char)(size >> 8),
                            (unsigned char)size, 0};
    return command(DRIVE, cdb, 6, code == 0x0a ? SCSI_XFER_WRITE : SCSI_XFER_READ, data, size);
}

static void move_medium(int source, int destination)
{
    unsigned char cdb[12] = {0xa5, 0, 0, 0, (unsigned char)(source >> 8), (unsigned char)source,
                             (unsigned char)(destination >> 8), (unsigned char)destination};
    good("MOVE MEDIUM", command(CHANGER, cdb, 12, SCSI_XFER_NONE, NULL, 0));
    printf("moved %d to %d\n", source, destination);
}

static void locate(int object)
{
    unsigned char cdb[10] = {0x2b, 0, 0, 0, 0, (unsigned char)(object >> 8), (unsigned char)object};
    good("LOCATE(10)", command(DRIVE, cdb, 10, SCSI_XFER_NONE, NULL, 0));
}

/* READ POSITION, the short form and the long one (SSC-4 7.7). */
static void position(int object, int filemarks)
{
    unsigned char brief[10] = {0x34}, full[10] = {0x34, 0x06}, data[32];

    memset(data, 0xee, sizeof data);
    good("READ POSITION", command(DRIVE, brief, 10, SCSI_XFER_READ, data, 20));
    expect("BOP", data[0] >> 7, object == 0);
    expect("BPU", data[0] >> 2 & 1, 0);
    expect("FIRST LOGICAL OBJECT LOCATION", data[4] << 24 | data[5] << 16 | data[6] << 8 | data[7], object);
    expect("LAST LOGICAL OBJECT LOCATION", data[8] << 24 | data[9] << 16 | data[10] << 8 | data[11], object);
    memset(data, 0xee, sizeof data);
    good("READ POSITION long", command(DRIVE, full, 10, SCSI_XFER_READ, data, 32));
    expect("BOP, long", data[0] >> 7, object == 0);
    expect("LOGICAL OBJECT NUMBER", data[12] << 24 | data[13] << 16 | data[14] << 8 | data[15], object);
    expect("LOGICAL FILE IDENTIFIER", data[20] << 24 | data[21] << 16 | data[22] << 8 | data[23], filemarks);
    printf("position %d, %d filemarks before it\n", object, filemarks);
}

static unsigned char *block(int index, size_t size)
{
    unsigned char *data = malloc(size);
    for (size_t j = 0; j < size; j++)
        data[j] = (unsigned char)(31 * index + 7 * j + j / 256);
    return data;
}

/* Reads a block of `size` bytes with a request for `asked`, and compares what comes of it. */
static void read_block(int index, size_t size, size_t asked)
{
    unsigned char *expected = block(index, size), *data = malloc(asked + 1);
    size_t comes = asked < size ? asked : size;

    memset(data, 0xee, asked + 1);
    struct reply reply = transfer(0x08, data, asked);
    if (asked == size) {
        good("READ", reply);
    } else {
        sense("READ of another length", reply, 0, 0);
        expect("ILI", reply.incorrect_length, 1);
        expect("INFORMATION of ILI", reply.information, (long)asked - (long)size);
    }
    expect("FILEMARK of a block", reply.filemark, 0);
    expect("EOM of a block", reply.end_of_medium, 0);
    expect("residual count", (long)reply.residual, (long)(asked - comes));
    if (memcmp(data, expected, comes) != 0)
        fail("block %d of %zu bytes, asked for %zu: other data", index, size, asked);
    for (size_t j = comes; j <= asked; j++)
        expect("byte behind the data", data[j], 0xee);
    free(expected);
    free(data);
}

static void read_filemark(void)
{
    unsigned char data[4096];
    struct reply reply = transfer(0x08, data, sizeof data);
    sense("READ of a filemark", reply, 0, 0x0001);
    expect("FILEMARK", reply.filemark, 1);
    expect("ILI of a filemark", reply.incorrect_length, 0);
    expect("INFORMATION of a filemark", reply.information, sizeof data);
    expect("residual count of a filemark", (long)reply.residual, sizeof data);
}

static void read_end_of_data(void)
{
    unsigned char data[512];
    struct reply reply = transfer(0x08, data, sizeof data);
    sense("READ at end of data", reply, 8, 0x0005);
    expect("FILEMARK at end of data", reply.filemark, 0);
    expect("residual count at end of data", (long)reply.residual, sizeof data);
}

static void settle(int lun)
{
    /* Unit attentions come one at a time. */
    for (int i = 0; i < 8; i++)
        if (test_unit_ready(lun).key != 6)
            return;
    fail("LUN %d does not run out of unit attentions", lun);
}

int main(int argc, char **argv)
{
    if (argc < 7)
        fail("usage: tape PORTAL TARGET none|crc32c SLOT DRIVE RECORD...");
    const int slot = atoi(argv[4]), drive = atoi(argv[5]);
    const int count = argc - 6;
    char **records = argv + 6;

    iscsi = iscsi_create_context("iqn.2026-11.test:tape");
    iscsi_set_targetname(iscsi, argv[2]);
    iscsi_set_session_type(iscsi, ISCSI_SESSION_NORMAL);
    iscsi_set_noautoreconnect(iscsi, 1);
    iscsi_set_timeout(iscsi, 10);
    iscsi_set_header_digest(iscsi, strcmp(argv[3], "crc32c") == 0 ? ISCSI_HEADER_DIGEST_CRC32C
                                                                  : ISCSI_HEADER_DIGEST_NONE);
    if (iscsi_full_connect_sync(iscsi, argv[1], -1) != 0)
        fail("login: %s", iscsi_get_error(iscsi));

    /* The first command of a session at a logical unit meets the unit attention of a reset. */
    sense("first TEST UNIT READY of the changer", test_unit_ready(CHANGER), 6, 0x2900);
    good("second TEST UNIT READY of the changer", test_unit_ready(CHANGER));
    sense("first TEST UNIT READY of the drive", test_unit_ready(DRIVE), 6, 0x2900);
    sense("TEST UNIT READY of an empty drive", test_unit_ready(DRIVE), 2, 0x3a00);
    move_medium(slot, drive);
    sense("TEST UNIT READY after a cartridge came", test_unit_ready(DRIVE), 6, 0x2800);
    good("TEST UNIT READY of a loaded drive", test_unit_ready(DRIVE));
    good("REWIND", rewind_tape());
    position(0, 0);
    read_end_of_data();

    int filemarks = 0;
    for (int i = 0; i < count; i++) {
        if (records[i][0] == 'F') {
            good("WRITE FILEMARKS", write_filemarks(1));
            filemarks++;
            printf("wrote a filemark\n");
        } else {
            size_t size = (size_t)atol(records[i]);
            unsigned char *data = block(i, size);
            good("WRITE", transfer(0x0a, data, size));
            printf("wrote %zu bytes\n", size);
            free(data);
        }
    }
    position(count, filemarks);
    read_end_of_data();

    /* Everything again with the lengths that it was written with, then with others. */
    for (int difference = -1; difference <= 1; difference++) {
        good("REWIND", rewind_tape());
        int met = 0;
        for (int i = 0; i < count; i++) {
            if (records[i][0] == 'F') {
                read_filemark();
                met++;
                continue;
            }
            long size = atol(records[i]);
            if (size + difference > 0)
                read_block(i, (size_t)size, (size_t)(size + difference));
            else
                good("SPACE over a short block", space(0, 1));
        }
        position(count, met);
        read_end_of_data();
        printf("read back with lengths off by %d\n", difference);
    }

    /* SPACE backward over everything: filemarks one by one, each of which ends a run of blocks. */
    int here = count, left = filemarks;
    while (here > 0) {
        int back = 0;
        while (here - back > 0 && records[here - back - 1][0] != 'F')
            back++;
        struct reply reply = space(0, -(back + 1));
        if (here - back == 0) {
            sense("SPACE over the beginning", reply, 0, 0x0004);
            expect("EOM at the beginning", reply.end_of_medium, 1);
            here = 0;
        } else {
            sense("SPACE over a filemark", reply, 0, 0x0001);
            expect("FILEMARK of SPACE", reply.filemark, 1);
            here -= back + 1;
            left--;
        }
        expect("INFORMATION of SPACE", reply.information, 1);
        position(here, left);
    }
    expect("filemarks left at the beginning", left, 0);

    /* To the last filemark, before it, and behind the data. */
    good("SPACE filemarks", space(1, filemarks));
    int behind = count;
    while (behind > 0 && records[behind - 1][0] != 'F')
        behind--;
    position(behind, filemarks);
    good("SPACE filemarks backward", space(1, -1));
    position(behind - 1, filemarks - 1);
    good("SPACE to end of data", space(3, 0));
    position(count, filemarks);
    struct reply reply = space(0, 1);
    sense("SPACE over the end of data", reply, 8, 0x0005);
    expect("INFORMATION of SPACE over the end of data", reply.information, 1);

    for (int i = count - 1; i >= 0; i--) {
        if (records[i][0] == 'F')
            continue;
        locate(i);
        size_t size = (size_t)atol(records[i]);
        read_block(i, size, size);
    }
    printf("located every block\n");

    unload();
    move_medium(drive, slot);
    settle(DRIVE);
    sense("TEST UNIT READY of the empty drive", test_unit_ready(DRIVE), 2, 0x3a00);
    if (iscsi_logout_sync(iscsi) != 0)
        fail("logout: %s", iscsi_get_error(iscsi));
    iscsi_destroy_context(iscsi);
    printf("logged out\n");
    return 0;
}
