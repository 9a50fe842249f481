import ArgumentParser

/// What the exit status of a command says that asks a replica; scripts may rely on it.
enum CommandStatus: Int32, CaseIterable {
    /// It is done, and as asked.
    case done = 0
    /// It failed in a way that no other status names.
    case failed = 1
    /// The transaction is aborted.
    case aborted = 2
    /// The outcome is not known yet.
    case unfinished = 3
    /// The transaction needs an operator.
    case needsOperator = 4
    /// The transaction or the participant does not exist.
    case notFound = 5
    /// The request was refused, and nothing has changed.
    case refused = 6
    /// No replica could take the request.
    case unreachable = 7
    /// The command line is wrong.
    case usage = 64

    /// What help and manual say.
    var meaning: String {
        switch self {
        case .done: "done, and as asked; for `run` and `wait`: committed"
        case .failed: "failed in a way that no other status names"
        case .aborted: "aborted: the transaction is rolled back, or will be"
        case .unfinished: "not finished yet, or the outcome is not known; ask again"
        case .needsOperator: "the transaction needs an operator"
        case .notFound: "no such transaction or participant"
        case .refused: "refused, by the replica or by you at the prompt; nothing has changed"
        case .unreachable: "the replica cannot be reached, or cannot take the request now"
        case .usage: "the command line, the profile or an input file is wrong"
        }
    }

    /// The paragraph of the help.
    static let help =
        "Exit status: "
        + allCases.map { "\($0.rawValue): \($0.meaning)" }.joined(separator: ". ") + "."
}

/// Why a command did not do what was asked, in sentences, and what its exit status says of it.
struct CommandFailure: Error, CustomStringConvertible {
    let status: CommandStatus
    let description: String

    init(_ status: CommandStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}

/// Runs a command's body; a failure is printed on standard error and becomes the exit status.
func reportingFailures(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch let failure as CommandFailure {
        Terminal.error.print("Error: \(failure)")
        throw ExitCode(failure.status.rawValue)
    }
}
