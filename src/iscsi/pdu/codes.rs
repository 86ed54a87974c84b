//! The one-byte codes of the PDUs: open sets, so a value that the standard does not define is kept, not refused.

use std::fmt;

/// Defines a code: a newtype that keeps every value, with the standard's names for those that it defines.
macro_rules! code {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $constant:ident = $value:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(pub u8);

        impl $name {
            $($(#[$value_doc])* pub const $constant: Self = Self($value);)*

            /// Returns the standard's name of the value, `None` for one that it does not define.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            /// Writes the standard's name, or the value in hex.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{:#04x}", self.0),
                }
            }
        }
    };
}

code! {
    /// Opcode of a PDU: byte 0, bits 2-7 (RFC 7143 11.2.1.2). Six bits wide; 0x20 and above are the target's.
    Opcode {
        /// Section 11.18.
        NOP_OUT = 0x00, "NOP-Out";
        /// Section 11.3.
        SCSI_COMMAND = 0x01, "SCSI Command";
        /// Section 11.5.
        TASK_MANAGEMENT_REQUEST = 0x02, "Task Management Function Request";
        /// Section 11.12.
        LOGIN_REQUEST = 0x03, "Login Request";
        /// Section 11.10.
        TEXT_REQUEST = 0x04, "Text Request";
        /// Section 11.7.
        DATA_OUT = 0x05, "SCSI Data-Out";
        /// Section 11.14.
        LOGOUT_REQUEST = 0x06, "Logout Request";
        /// Section 11.16.
        SNACK_REQUEST = 0x10, "SNACK Request";
        /// Section 11.19.
        NOP_IN = 0x20, "NOP-In";
        /// Section 11.4.
        SCSI_RESPONSE = 0x21, "SCSI Response";
        /// Section 11.6.
        TASK_MANAGEMENT_RESPONSE = 0x22, "Task Management Function Response";
        /// Section 11.13.
        LOGIN_RESPONSE = 0x23, "Login Response";
        /// Section 11.11.
        TEXT_RESPONSE = 0x24, "Text Response";
        /// Section 11.7.
        DATA_IN = 0x25, "SCSI Data-In";
        /// Section 11.15.
        LOGOUT_RESPONSE = 0x26, "Logout Response";
        /// Section 11.8.
        R2T = 0x31, "Ready To Transfer";
        /// Section 11.9.
        ASYNC_MESSAGE = 0x32, "Asynchronous Message";
        /// Section 11.17.
        REJECT = 0x3f, "Reject";
    }
}

code! {
    /// Task attribute of a SCSI Command: byte 1, bits 5-7 (RFC 7143 11.3.1). Three bits wide.
    TaskAttribute {
        /// Untagged.
        UNTAGGED = 0, "untagged";
        /// Simple.
        SIMPLE = 1, "simple";
        /// Ordered.
        ORDERED = 2, "ordered";
        /// Head of queue.
        HEAD_OF_QUEUE = 3, "head of queue";
        /// Auto contingent allegiance.
        ACA = 4, "ACA";
    }
}

code! {
    /// iSCSI service response of a SCSI Response (RFC 7143 11.4.3).
    ServiceResponse {
        /// The command ended at the target; the SCSI status is valid.
        COMMAND_COMPLETED = 0, "command completed at target";
        /// The target failed to execute the command.
        TARGET_FAILURE = 1, "target failure";
    }
}

code! {
    /// Function of a Task Management Function Request (RFC 7143 11.5.1). Seven bits wide.
    TaskManagementFunction {
        /// Aborts the task that the Referenced Task Tag names.
        ABORT_TASK = 1, "ABORT TASK";
        /// Aborts all tasks of this initiator on the logical unit.
        ABORT_TASK_SET = 2, "ABORT TASK SET";
        /// Clears the auto contingent allegiance.
        CLEAR_ACA = 3, "CLEAR ACA";
        /// Aborts all tasks in the task set of the logical unit.
        CLEAR_TASK_SET = 4, "CLEAR TASK SET";
        /// Resets the logical unit.
        LOGICAL_UNIT_RESET = 5, "LOGICAL UNIT RESET";
        /// Resets the target.
        TARGET_WARM_RESET = 6, "TARGET WARM RESET";
        /// Resets the target and ends all its sessions.
        TARGET_COLD_RESET = 7, "TARGET COLD RESET";
        /// Reassigns connection allegiance of a task.
        TASK_REASSIGN = 8, "TASK REASSIGN";
    }
}

code! {
    /// Outcome of a task management function (RFC 7143 11.6.1).
    TaskManagementOutcome {
        /// The function was performed.
        FUNCTION_COMPLETE = 0, "function complete";
        /// The target knows no such task.
        TASK_DOES_NOT_EXIST = 1, "task does not exist";
        /// There is no such logical unit.
        LUN_DOES_NOT_EXIST = 2, "LUN does not exist";
        /// The task still has its allegiance.
        TASK_STILL_ALLEGIANT = 3, "task still allegiant";
        /// Allegiance reassignment is not supported.
        TASK_ALLEGIANCE_REASSIGNMENT_NOT_SUPPORTED = 4, "task allegiance reassignment not supported";
        /// The target does not support the function.
        FUNCTION_NOT_SUPPORTED = 5, "task management function not supported";
        /// The initiator is not authorized for the function.
        FUNCTION_AUTHORIZATION_FAILED = 6, "function authorization failed";
        /// The target rejected the function.
        FUNCTION_REJECTED = 255, "function rejected";
    }
}

code! {
    /// Event of an Asynchronous Message (RFC 7143 11.9.1).
    AsyncEvent {
        /// A SCSI asynchronous event; sense data is in the data segment.
        SCSI = 0, "SCSI asynchronous event";
        /// The target asks for a logout within Parameter3 seconds.
        LOGOUT_REQUEST = 1, "target requests logout";
        /// The target will drop or has dropped the connection that Parameter1 names.
        DROP_CONNECTION = 2, "target drops the connection";
        /// The target will drop or has dropped all connections of the session.
        DROP_ALL_CONNECTIONS = 3, "target drops all connections";
        /// The target asks for parameter negotiation within Parameter3 seconds.
        NEGOTIATION_REQUEST = 4, "target requests parameter negotiation";
        /// Tasks of a logical unit are being ended under FastAbort semantics.
        TASK_TERMINATION = 5, "tasks are being terminated";
    }
}

code! {
    /// Reason of a Logout Request (RFC 7143 11.14.1). Seven bits wide.
    LogoutReason {
        /// Ends the session.
        CLOSE_SESSION = 0, "close the session";
        /// Ends the connection that CID names.
        CLOSE_CONNECTION = 1, "close the connection";
        /// Removes the connection that CID names, for recovery.
        REMOVE_CONNECTION = 2, "remove the connection for recovery";
    }
}

code! {
    /// Outcome of a logout (RFC 7143 11.15.1).
    LogoutOutcome {
        /// The connection or session is closed.
        CLOSED = 0, "connection or session closed successfully";
        /// There is no such connection.
        CID_NOT_FOUND = 1, "CID not found";
        /// Connection recovery is not supported.
        RECOVERY_NOT_SUPPORTED = 2, "connection recovery is not supported";
        /// Cleanup failed at the target.
        CLEANUP_FAILED = 3, "cleanup failed for various reasons";
    }
}

code! {
    /// Type of a SNACK Request (RFC 7143 11.16.1). Four bits wide.
    SnackType {
        /// Asks for Data-In or R2T PDUs again.
        DATA_OR_R2T = 0, "Data/R2T SNACK";
        /// Asks for numbered responses again.
        STATUS = 1, "Status SNACK";
        /// Acknowledges Data-In PDUs.
        DATA_ACK = 2, "DataACK";
        /// Asks for Data-In PDUs again, segmented anew.
        RESEGMENTED_DATA = 3, "R-Data SNACK";
    }
}

code! {
    /// Reason of a Reject (RFC 7143 11.17.1).
    RejectReason {
        /// Data digest error; the PDU can be sent again.
        DATA_DIGEST_ERROR = 2, "data (payload) digest error";
        /// The SNACK was rejected.
        SNACK_REJECT = 3, "SNACK reject";
        /// The PDU broke the protocol.
        PROTOCOL_ERROR = 4, "protocol error";
        /// The target does not support the command.
        COMMAND_NOT_SUPPORTED = 5, "command not supported";
        /// Too many immediate commands at once.
        IMMEDIATE_COMMAND_REJECT = 6, "immediate command reject: too many immediate commands";
        /// The task is in progress.
        TASK_IN_PROGRESS = 7, "task in progress";
        /// The DataACK was not valid.
        INVALID_DATA_ACK = 8, "invalid data ACK";
        /// A field of the PDU is not valid.
        INVALID_PDU_FIELD = 9, "invalid PDU field";
        /// The target cannot take the operation for now.
        LONG_OPERATION_REJECT = 10, "long operation reject: cannot generate a target transfer tag";
        /// Deprecated: negotiation reset.
        NEGOTIATION_RESET = 11, "negotiation reset";
        /// The target waits for a logout.
        WAITING_FOR_LOGOUT = 12, "waiting for logout";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_code_prints_its_name_and_an_unknown_one_its_value() {
        assert_eq!(
            RejectReason::INVALID_PDU_FIELD.to_string(),
            "invalid PDU field"
        );
        assert_eq!(RejectReason(0x7e).to_string(), "0x7e");
        assert_eq!(RejectReason(0x7e).name(), None);
    }
}
