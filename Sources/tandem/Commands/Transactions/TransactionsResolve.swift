import ArgumentParser
import CoordinatorAPI
import Foundation

/// The command `tandem transactions resolve`.
struct TransactionsResolve: ServerCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve",
        abstract: "Records how a branch really ended, where tandem cannot prove it.",
        discussion: """
            It shows the branch and what the resolution will do, and asks. The replica refuses it \
            if the transaction has changed since. tandem keeps every resolution for ever. Without \
            --force the replica refuses what contradicts the decision or a proof, or cannot be \
            checked. Status 3: recorded, and the prepared transaction could not be finished yet. \
            \(CommandStatus.help)
            """)

    enum Outcome: String, CaseIterable, ExpressibleByArgument {
        case committed, rolledBack
    }

    @OptionGroup var transaction: TransactionArgument
    @Option(help: "The number of the branch, from 0.") var branch: Int
    @Option(help: "What happened to the branch, or is to happen to it now.") var outcome: Outcome
    @Option(help: "Why; what you have checked.") var reason: String
    @Option(help: "Who resolves it; without it, $USER.") var actor: String?
    @Flag(help: "Record it although it contradicts what is recorded, or cannot be checked.")
    var force = false
    @Flag(help: "Do not ask.") var yes = false
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func validate() throws {
        guard (0...999).contains(branch) else {
            throw ValidationError("Expected --branch from 0 to 999, got \(branch).")
        }
        guard !reason.isEmpty else {
            throw ValidationError("Expected a --reason, got an empty one.")
        }
    }

    func run(with client: APIClient) async throws {
        let actor = actor ?? ProcessInfo.processInfo.environment["USER"] ?? ""
        guard !actor.isEmpty else {
            throw CommandFailure(.usage, "Expected --actor, since $USER is not set.")
        }
        let found = try await find(client)
        Terminal.error.print(found.lines.joined(separator: "\n"))
        try confirm()
        var request = APIClient.Request.post(transaction.path + "/resolution", body(actor))
        request.fields["If-Match"] = found.condition
        let answer = try await client.send(request)
        if output.json {
            Terminal.output.print(answer.text)
        } else if answer.status == 200 {
            let lines = TransactionText.detail(try answer.json(), on: .output)
            Terminal.output.print(lines.joined(separator: "\n"))
        } else {
            Terminal.output.print(
                answer.status == 202
                    ? "Recorded, but the prepared transaction could not be finished. Send the resolution again."
                    : "Recorded. If the transaction had no record, tandem finishes it now; "
                        + "tandem transactions wait waits for that.")
        }
        if answer.status == 202 { throw ExitCode(CommandStatus.unfinished.rawValue) }
    }

    private func find(
        _ client: APIClient
    ) async throws -> (condition: String, lines: [String]) {
        let preview = ResolutionPreview(
            branch: branch, outcome: outcome.rawValue, isForced: force)
        let participants = try? await client.send(.init("/v1/participants")).json()
        let unresolved = (participants?["participants"]?.elements ?? []).flatMap {
            $0["unresolved"]?.elements ?? []
        }.first { $0["gid"]?.string?.hasSuffix(":\(transaction.id):\(branch)") == true }
        do throws(CommandFailure) {
            let answer = try await client.send(.init(transaction.path))
            guard let entityTag = answer.entityTag else {
                throw CommandFailure(
                    .failed,
                    "The answer has no ETag, so a change could not be noticed. Ask the replica itself "
                        + "with --url.")
            }
            return (
                entityTag,
                try preview.lines(of: answer.json(), unresolved: unresolved)
            )
        } catch {
            guard error.status == .notFound, let unresolved else { throw error }
            return ("*", preview.lines(withoutRecord: unresolved))
        }
    }

    private func confirm() throws(CommandFailure) {
        guard !yes else { return }
        guard Terminal.input.isInteractive, Terminal.error.isInteractive else {
            throw CommandFailure(.usage, "Expected --yes, since nobody can be asked here.")
        }
        Terminal.error.write("Record this? Type yes: ")
        guard readLine()?.trimmingCharacters(in: .whitespaces) == "yes" else {
            throw CommandFailure(.refused, "Nothing was recorded.")
        }
    }

    private func body(_ actor: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("branch", branch)
            writer.member("outcome", outcome.rawValue)
            writer.member("actor", actor)
            writer.member("reason", reason)
            if force { writer.member("force", true) }
        }
        return writer.bytes
    }
}

/// What a resolution is about, and what it will do.
struct ResolutionPreview {
    let branch: Int
    let outcome: String
    let isForced: Bool

    private var verb: String { outcome == "committed" ? "COMMIT PREPARED" : "ROLLBACK PREPARED" }

    /// The lines for a transaction with a record.
    ///
    /// `unresolved` is the participant's report of this branch's prepared transaction, if it has one.
    func lines(
        of transaction: JSONValue, unresolved: JSONValue?
    ) throws(CommandFailure) -> [String] {
        let branches = transaction["branches"]?.elements ?? []
        guard branches.indices.contains(branch) else {
            throw CommandFailure(
                .usage,
                "The transaction has the branches 0 to \(branches.count - 1), and no \(branch).")
        }
        let found = branches[branch]
        let decision = transaction["decision"]?.string
        var lines = [
            "Transaction \(transaction["id"]?.string ?? "?"): \(transaction["state"]?.string ?? "?"), "
                + (decision.map { "the decision is \($0)" } ?? "nothing is decided"),
            "Branch \(branch) in \(found["participant"]?.string ?? "?"): vote "
                + "\(found["vote"]?.string ?? "none"), outcome "
                + "\(found["outcome"]?.string ?? "not known")"
                + (found["lastError"]?.string.map { ", last error: \($0)" } ?? ""),
        ]
        if let evidence = found["evidence"], evidence != .null {
            lines.append(
                "Evidence: transaction id \(evidence["xid"]?.plain ?? "?") on server "
                    + "\(evidence["systemIdentifier"]?.plain ?? "?"), timeline "
                    + "\(evidence["timeline"]?.plain ?? "?")")
        }
        lines.append("This " + effect(on: transaction, unresolved: unresolved))
        if isForced { lines.append("It is forced: no proof is asked for.") }
        return lines.map(Terminal.printable)
    }

    private func effect(on transaction: JSONValue, unresolved: JSONValue?) -> String {
        guard let decision = transaction["decision"]?.string else {
            let whole = outcome == "committed" ? "commit" : "abort"
            return "decides the whole transaction: \(whole). tandem then finishes every branch so."
        }
        let against =
            (decision == "commit") == (outcome == "committed")
            ? "" : " It contradicts the decision."
        if transaction["finishedAt"]?.string == nil {
            return
                "records that the branch is \(outcome), and tandem stops trying to finish it. No "
                + "SQL is sent: the branch must really be \(outcome).\(against)"
        }
        if let unresolved {
            return "records that the branch is \(outcome), and sends \(verb) "
                + "'\(unresolved["gid"]?.string ?? "?")'.\(against)"
        }
        return "changes the record only: no database is touched.\(against)"
    }

    /// The lines for a prepared transaction whose record is missing.
    func lines(withoutRecord unresolved: JSONValue) -> [String] {
        [
            "There is no record of this transaction. Its participant reports: "
                + "\(unresolved["reason"]?.string ?? "?").",
            "Prepared at \(clockTime(unresolved["preparedAt"]) ?? "?") by role "
                + "\(unresolved["role"]?.string ?? "?") in database "
                + "\(unresolved["database"]?.string ?? "?").",
            "This makes a record and sends \(verb) '\(unresolved["gid"]?.string ?? "?")'.",
        ].map(Terminal.printable)
    }
}
