/// A program to run as a child of this process.
package struct Command: Sendable {
    /// The target of a standard stream of the child.
    package enum Stream: Sendable {
        /// The same as this process's stream.
        case inherited
        /// `/dev/null`.
        case discarded
        /// A copy of an open descriptor of this process.
        case descriptor(Descriptor)
    }

    /// The absolute path of the executable.
    package var executable: String
    /// The arguments, without the program's own name.
    package var arguments: [String]
    /// The child's environment; nil for that of this process.
    package var environment: [String: String]?
    /// Standard input.
    package var input: Stream = .discarded
    /// Standard output.
    package var output: Stream = .discarded
    /// Standard error.
    package var errors: Stream = .discarded
    /// A descriptor that the child and its children hold as number 3 without using it.
    ///
    /// Its other end sees the end of file when all of them have ended.
    package var tether: Descriptor?

    /// Makes a command from an executable and its arguments.
    package init(
        _ executable: String, _ arguments: [String] = [], environment: [String: String]? = nil
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
    }

    /// The same command, which gets a signal (such as `KILL`) when this process dies, for whatever reason.
    ///
    /// The kernel sends it when the starting thread ends, which `ChildProcess` keeps until the child has
    /// ended. A change of user clears the setting, so `setpriv` changes the user first, then sets the
    /// signal and becomes the program with the same pid.
    package func dyingWithParent(signal: String) -> Command {
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

/// The output and the exit status of a command.
package struct CommandOutput: Sendable {
    /// The exit status.
    package let status: ChildProcess.ExitStatus
    /// The standard output.
    package let output: String
    /// The standard error.
    package let errors: String

    /// Whether the command returned 0.
    package var succeeded: Bool { status == .exited(0) }
}

extension Command {
    /// Runs the command to its end with a text as its standard input.
    ///
    /// Input and output use unnamed files instead of pipes, so that no amount of data can block. Throws
    /// `SystemError` if the command cannot be started; the result shows a failure of the command itself.
    package func run(input text: String = "") async throws -> CommandOutput {
        var command = self
        if !text.isEmpty {
            let file = try Descriptor.anonymousFile()
            try file.write(Array(text.utf8))
            file.rewind()
            command.input = .descriptor(file)
        }
        let output = try Descriptor.anonymousFile()
        let errors = try Descriptor.anonymousFile()
        command.output = .descriptor(output)
        command.errors = .descriptor(errors)
        let status = await (try ChildProcess.start(command)).exitStatus()
        return CommandOutput(
            status: status, output: output.readWhole(), errors: errors.readWhole())
    }
}
