/*
 * Writes and reads blocks as fast as libiscsi can with so many commands under way.
 *
 *     libiscsi PORTAL TARGET LUN tape|disk
 *
 * For each line `write|read BLOCK COUNT DEPTH` on stdin, COUNT blocks of BLOCK bytes go to the beginning of the medium or come
 * from there, and a line says how long that took: microseconds of wall time, and of processor time of this process. A tape
 * is rewound before the time begins.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

enum { SECTOR = 512, MAX_DEPTH = 64 };

static struct iscsi_context *iscsi;
static int lun, is_tape;

/* What is under way. */
static int writes;
static uint32_t block;
static long count, sent, answered;
static unsigned char *buffers[MAX_DEPTH];

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, iscsi_get_error(iscsi));
    exit(1);
}

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void without_data(unsigned char code)
{
    unsigned char cdb[6] = {code};
    for (int i = 0; i < 8; i++) {
        struct scsi_task *task = scsi_create_task(6, cdb, SCSI_XFER_NONE, 0);
        if (iscsi_scsi_command_sync(iscsi, lun, task, NULL) == NULL)
            fail("command");
        int status = task->status, key = task->sense.key;
        scsi_free_scsi_task(task);
        if (status == SCSI_STATUS_GOOD)
            return;
        if (status != SCSI_STATUS_CHECK_CONDITION || key != SCSI_SENSE_UNIT_ATTENTION)
            break;
    }
    fail("a command without data");
}

static void send_next(int slot);

static void done(struct iscsi_context *context, int status, void *data, void *private_data)
{
    (void)context;
    struct scsi_task *task = data;
    if (status != SCSI_STATUS_GOOD) {
        fprintf(stderr, "block %ld: status %#x\n", answered, (unsigned)status);
        exit(1);
    }
    scsi_free_scsi_task(task);
    answered++;
    if (sent < count)
        send_next((int)(intptr_t)private_data);
}

static void send_next(int slot)
{
    unsigned char cdb[16] = {0};
    int length = 6;
    if (is_tape) {
        cdb[0] = writes ? 0x0a : 0x08;
        cdb[2] = (unsigned char)(block >> 16);
        cdb[3] = (unsigned char)(block >> 8);
        cdb[4] = (unsigned char)block;
    } else {
        uint32_t sectors = block / SECTOR, address = (uint32_t)sent * sectors;
        length = 10;
        cdb[0] = writes ? 0x2a : 0x28;
        for (int i = 0; i < 4; i++)
            cdb[2 + i] = (unsigned char)(address >> (24 - 8 * i));
        cdb[7] = (unsigned char)(sectors >> 8);
        cdb[8] = (unsigned char)sectors;
    }
    struct iscsi_data out = {block, buffers[slot]};
    struct scsi_task *task =
        scsi_create_task(length, cdb, writes ? SCSI_XFER_WRITE : SCSI_XFER_READ, (int)block);
    if (task == NULL)
        fail("a task");
    if (!writes)
        scsi_task_add_data_in_buffer(task, (int)block, buffers[slot]);
    if (iscsi_scsi_command_async(iscsi, lun, task, done, writes ? &out : NULL, (void *)(intptr_t)slot) != 0)
        fail("send");
    sent++;
}

static void run(int depth)
{
    sent = answered = 0;
    for (int slot = 0; slot < depth && sent < count; slot++)
        send_next(slot);
    while (answered < count) {
        struct pollfd poll_fd = {.fd = iscsi_get_fd(iscsi), .events = (short)iscsi_which_events(iscsi)};
        if (poll(&poll_fd, 1, -1) < 0 || iscsi_service(iscsi, poll_fd.revents) < 0)
            fail("service");
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    lun = atoi(argv[3]);
    is_tape = strcmp(argv[4], "tape") == 0;
    iscsi = iscsi_create_context("iqn.2026-11.internal.iscsiswiconfig:libiscsi");
    iscsi_set_targetname(iscsi, argv[2]);
    iscsi_set_session_type(iscsi, ISCSI_SESSION_NORMAL);
    iscsi_set_header_digest(iscsi, ISCSI_HEADER_DIGEST_NONE);
    iscsi_set_noautoreconnect(iscsi, 1);
    if (iscsi_full_connect_sync(iscsi, argv[1], lun) != 0)
        fail("login");
    without_data(0x00);
    char what[8];
    int depth;
    while (scanf("%7s %u %ld %d", what, &block, &count, &depth) == 4 && depth <= MAX_DEPTH) {
        writes = strcmp(what, "write") == 0;
        for (int slot = 0; slot < depth; slot++) {
            buffers[slot] = realloc(buffers[slot], block);
            memset(buffers[slot], 0x5a, block);
        }
        if (is_tape)
            without_data(0x01);
        double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        run(depth);
        wall = seconds(CLOCK_MONOTONIC) - wall;
        cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        printf("%.0f %.0f\n", wall * 1e6, cpu * 1e6);
        fflush(stdout);
    }
    iscsi_logout_sync(iscsi);
    return 0;
}
