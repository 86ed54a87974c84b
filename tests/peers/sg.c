/*
 * Lets a program that sends SCSI commands to a device of sg(4) send them to a logical unit by iSCSI: preloaded, it serves
 * SG_IO on every regular file that the program opens.
 *
 *     SG_URL=iscsi://PORTAL/TARGET/LUN LD_PRELOAD=./sg.so PROGRAM
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <scsi/sg.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

/* Of the kernel's <scsi/scsi_ioctl.h>. */
enum { SCSI_IOCTL_GET_IDLUN = 0x5382 };

static struct iscsi_context *iscsi;
static int lun;

static void connect_once(void)
{
    if (iscsi != NULL)
        return;
    iscsi = iscsi_create_context("iqn.2026-11.test:sg");
    struct iscsi_url *url = iscsi_parse_full_url(iscsi, getenv("SG_URL"));
    if (url == NULL) {
        fprintf(stderr, "SG_URL: %s\n", iscsi_get_error(iscsi));
        exit(3);
    }
    lun = url->lun;
    iscsi_set_session_type(iscsi, ISCSI_SESSION_NORMAL);
    iscsi_set_noautoreconnect(iscsi, 1);
    /* Takes the unit attentions of a new session. */
    if (iscsi_full_connect_sync(iscsi, url->portal, lun) != 0) {
        fprintf(stderr, "%s: %s\n", url->portal, iscsi_get_error(iscsi));
        exit(3);
    }
}

static int sg_io(struct sg_io_hdr *header)
{
    int direction = SCSI_XFER_NONE;
    if (header->dxfer_direction == SG_DXFER_TO_DEV)
        direction = SCSI_XFER_WRITE;
    if (header->dxfer_direction == SG_DXFER_FROM_DEV)
        direction = SCSI_XFER_READ;
    struct iscsi_data out = {header->dxfer_len, header->dxferp};
    struct scsi_task *task = scsi_create_task(header->cmd_len, header->cmdp, direction, (int)header->dxfer_len);
    if (direction == SCSI_XFER_READ)
        scsi_task_add_data_in_buffer(task, (int)header->dxfer_len, header->dxferp);
    connect_once();
    if (iscsi_scsi_command_sync(iscsi, lun, task, direction == SCSI_XFER_WRITE ? &out : NULL) == NULL) {
        fprintf(stderr, "%s\n", iscsi_get_error(iscsi));
        exit(3);
    }
    header->status = (unsigned char)task->status;
    header->masked_status = header->status >> 1;
    header->host_status = header->driver_status = 0;
    header->sb_len_wr = 0;
    header->resid = task->residual_status == SCSI_RESIDUAL_UNDERFLOW ? (int)task->residual : 0;
    if (task->status == SCSI_STATUS_CHECK_CONDITION && task->datain.size > 2) {
        /* The data segment of the SCSI Response: SenseLength, then the sense data (RFC 7143 11.4.7.1). */
        int length = task->datain.size - 2;
        if (length > header->mx_sb_len)
            length = header->mx_sb_len;
        memcpy(header->sbp, task->datain.data + 2, (size_t)length);
        header->sb_len_wr = (unsigned char)length;
        header->driver_status = 0x08;
    }
    header->info = header->status != 0 ? SG_INFO_CHECK : SG_INFO_OK;
    scsi_free_scsi_task(task);
    return 0;
}

int ioctl(int file, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    struct stat status;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
        switch (request) {
        case SG_GET_VERSION_NUM:
            *(int *)argument = 30534;
            return 0;
        case SCSI_IOCTL_GET_IDLUN:
            memset(argument, 0, 2 * sizeof(int));
            return 0;
        case SG_SET_TIMEOUT:
            return 0;
        case SG_IO:
            return sg_io(argument);
        }
    }
    int (*next)(int, unsigned long, void *) = (int (*)(int, unsigned long, void *))dlsym(RTLD_NEXT, "ioctl");
    return next(file, request, argument);
}
