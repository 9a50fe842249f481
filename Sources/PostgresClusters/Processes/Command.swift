/// A program to run as a child of this process, and what it inherits.
public struct Command: Sendable {
    /// Where one of the child's standard streams leads.
    public enum Stream: Sendable {
        /// To the same place as this process's own stream.
        case inherited
        /// To `/dev/null`.
        case discarded
        /// To an open descriptor of this process, which the child gets a copy of.
        case descriptor(Descriptor)
    }

    /// Absolute path of the executable.
    public var executable: String
    /// The arguments, without the program's own name.
    public var arguments: [String]
    /// The whole environment of the child; `nil` passes on this process's own.
    public var environment: [String: String]?
    /// Standard input; nothing unless told.
    public var input: Stream = .discarded
    /// Standard output; nothing unless told.
    public var output: Stream = .discarded
    /// Standard error; nothing unless told.
    public var errors: Stream = .discarded
    /// A descriptor that the child and its own children hold open as number 3 and never use: its
    /// other end sees the end of file only when all of them are gone.
    public var tether: Descriptor?

    /// Describes a run of `executable` with `arguments`.
    public init(
        _ executable: String, _ arguments: [String] = [], environment: [String: String]? = nil
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
    }

    /// The same command, but ended by `signal` (such as `KILL`) when the thread that starts it ends.
    ///
    /// `ChildProcess` keeps that thread until the child is gone, so this means: when this process
    /// dies, of whatever cause. The wish must be stated after any change of user, which clears it;
    /// `setpriv` does the two in that order and then becomes the program, under the same pid.
    public func dyingWithParent(signal: String) -> Command {
        dyingWithParent(signal: signal, as: .current)
    }

    func dyingWithParent(signal: String, as user: ServerUser) -> Command {
        var wrapped = self
        wrapped.executable = "/usr/bin/setpriv"
        wrapped.arguments =
            user.setprivArguments + ["--pdeathsig", signal, "--", executable] + arguments
        return wrapped
    }
}
