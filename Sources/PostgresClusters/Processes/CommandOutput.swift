/// What a command that ran to its end said and how it ended.
public struct CommandOutput: Sendable {
    /// How it ended.
    public let status: ChildProcess.ExitStatus
    /// What it wrote to its standard output.
    public let output: String
    /// What it wrote to its standard error.
    public let errors: String

    /// Whether it returned 0.
    public var succeeded: Bool { status == .exited(0) }
}

extension Command {
    /// Runs the command to its end with `text` as its standard input.
    ///
    /// Input and output go through nameless files instead of pipes, so that no amount of either
    /// can block the two sides against each other. Throws `SystemError` when it cannot be started; a
    /// failure of the command itself is in the result.
    public func run(input text: String = "") async throws -> CommandOutput {
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
