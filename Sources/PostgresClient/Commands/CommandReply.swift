/// What became of one command.
package enum CommandReply: Sendable {
    /// It ran.
    case completed(CommandResult)
    /// The server refused it.
    indirect case failed(ServerMessage)
    /// It returned more than the limits of its call, and was cancelled for that.
    ///
    /// Had the end of the command been faster than the cancel, it would be `completed`, and its
    /// result ``CommandResult/isTruncated``.
    case exceeded
    /// It did not run, since an earlier command of its segment failed.
    case skipped

    /// The result, if it ran.
    package var result: CommandResult? {
        if case .completed(let result) = self { result } else { nil }
    }

    /// The error, if it was refused.
    package var error: ServerMessage? {
        if case .failed(let message) = self { message } else { nil }
    }

    /// Whether it failed because its cached statement was gone or outdated, which is forgotten
    /// now: the same command sent again is prepared anew.
    package var forgotStatement: Bool { error?.forgotStatement ?? false }
}
