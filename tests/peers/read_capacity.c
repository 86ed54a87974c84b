/*
 * Stands between iscsi-test-cu and libiscsi (LD_PRELOAD), so that the suite runs on what is no disk.
 *
 * READ CAPACITY(10) is answered here: the suite asks every logical unit for its capacity before its first test, and
 * gives up on one that has none.
 *
 * With AS_DISK in the environment, a logical unit passes for a disk, for tests that only disks get although they are
 * about every removable medium: its peripheral device type reads 00h, and not ready because the medium is unloaded
 * (04/02, which is what a tape drive says of a cartridge that it still holds) reads not ready because there is no
 * medium (3A/00).
 *
 * Everything else reaches the target, and comes from it, untouched.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#define INQUIRY 0x12
#define READ_CAPACITY_10 0x25
#define INITIALIZING_COMMAND_REQUIRED 0x0402
#define MEDIUM_NOT_PRESENT 0x3a00

/* RETURNED LOGICAL BLOCK ADDRESS 7FFFh and LOGICAL BLOCK LENGTH IN BYTES 512 (SBC-3 5.15.2). */
static const unsigned char CAPACITY[8] = {0, 0, 0x7f, 0xff, 0, 0, 2, 0};

typedef struct scsi_task *command_sync(struct iscsi_context *, int, struct scsi_task *, struct iscsi_data *);

static void pass_for_disk(struct scsi_task *task)
{
    int is_standard_inquiry = task->cdb[0] == INQUIRY && (task->cdb[1] & 1) == 0;
    if (is_standard_inquiry && task->status == SCSI_STATUS_GOOD && task->datain.size > 0)
        task->datain.data[0] &= 0xe0;
    if (task->status == SCSI_STATUS_CHECK_CONDITION && task->sense.ascq == INITIALIZING_COMMAND_REQUIRED)
        task->sense.ascq = MEDIUM_NOT_PRESENT;
}

struct scsi_task *iscsi_scsi_command_sync(struct iscsi_context *iscsi, int lun, struct scsi_task *task,
                                          struct iscsi_data *data)
{
    if (task->cdb[0] != READ_CAPACITY_10) {
        command_sync *real = (command_sync *)dlsym(RTLD_NEXT, "iscsi_scsi_command_sync");
        struct scsi_task *done = real(iscsi, lun, task, data);
        if (done != NULL && getenv("AS_DISK") != NULL)
            pass_for_disk(done);
        return done;
    }
    /* libiscsi frees it with the task. */
    unsigned char *answer = malloc(sizeof CAPACITY);
    if (answer == NULL)
        return NULL;
    memcpy(answer, CAPACITY, sizeof CAPACITY);
    task->status = SCSI_STATUS_GOOD;
    task->residual_status = SCSI_RESIDUAL_NO_RESIDUAL;
    task->residual = 0;
    task->datain.data = answer;
    task->datain.size = sizeof CAPACITY;
    return task;
}
