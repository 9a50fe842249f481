import CoordinatorAPI

/// What a replica answered.
struct APIAnswer: Sendable {
    let status: Int
    let body: [UInt8]
    var entityTag: String?
    var retryAfter: Int?

    var isSuccess: Bool { (200..<300).contains(status) }

    /// The body, which may be empty, as text.
    var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON; anything else is not an answer of tandem.
    func json() throws(CommandFailure) -> JSONValue {
        do throws(JSONReadError) {
            return try JSONReader.read(body, depthMax: 512)
        } catch {
            throw CommandFailure(
                .failed, "Expected JSON from the replica, got something else: \(error)")
        }
    }

    /// What a problem says, and the exit status for it.
    func failure(from address: ServerAddress) -> CommandFailure {
        if let problem { return problem.failure }
        if (300..<400).contains(status) {
            return CommandFailure(
                .failed,
                "\(address) answered with a redirect (\(status)), which is not followed. Use the "
                    + "address that it leads to.")
        }
        if status == 401 || status == 403 {
            return CommandFailure(
                .refused,
                "\(address) refuses this caller (\(status)). Set the token in the profile or in "
                    + "TANDEM_TOKEN.")
        }
        return CommandFailure(
            .failed,
            "\(address) answered with status \(status) and not with a problem of tandem's. Is it a "
                + "replica of tandem, and is it as new as this program?")
    }

    /// The problem (RFC 9457), if the answer is one of tandem's.
    var problem: ServerProblem? {
        guard let json = try? JSONReader.read(body, depthMax: 512) else { return nil }
        return ServerProblem(json, status: status)
    }
}

/// A problem of a replica, for people.
struct ServerProblem {
    let json: JSONValue
    private let status: Int
    private let type: String

    init?(_ json: JSONValue, status: Int) {
        guard let type = json["type"]?.string, type.hasPrefix("/problems/") else { return nil }
        self.json = json
        self.status = status
        self.type = String(type.dropFirst("/problems/".count))
    }

    /// The last part of the problem's type, such as `outcome-unknown`.
    var name: String { type }
    var outcome: String? { json["outcome"]?.string }
    var transaction: String? { json["transaction"]?.string }
    var isRetryable: Bool { json["retryable"] == .bool(true) }

    var exitStatus: CommandStatus {
        switch outcome {
        case "aborted": return .aborted
        case "unknown": return .unfinished
        case "needsOperator": return .needsOperator
        case "notAccepted": return .unreachable
        default: break
        }
        switch status {
        case 404: return .notFound
        case 408, 503: return .unreachable
        case 400..<500: return .refused
        default: return .failed
        }
    }

    var failure: CommandFailure {
        CommandFailure(exitStatus, sentences.map(Terminal.printable).joined(separator: "\n"))
    }

    /// The title, what happened, what PostgreSQL said, each error of the request, and the remedy.
    var sentences: [String] {
        var lines = [(json["title"]?.string ?? type) + "."]
        if let detail = json["detail"]?.string { lines.append("  \(detail)") }
        for member in ["detail", "hint", "context"] {
            guard let text = json["postgres"]?[member]?.string else { continue }
            lines.append("  PostgreSQL's \(member): \(text)")
        }
        if case .array(let errors)? = json["errors"], errors.count > 1 {
            for error in errors {
                let place = ["pointer", "parameter", "header"].lazy.compactMap {
                    error[$0]?.string
                }.first
                lines.append("  - \(place.map { "\($0): " } ?? "")\(error["detail"]?.string ?? "")")
            }
        }
        if let transaction { lines.append("  Transaction: \(transaction)") }
        if let remedy { lines.append("  Remedy: \(remedy)") }
        return lines
    }

    /// What to do next; nil if the detail says so, or nothing helps.
    var remedy: String? {
        let id = transaction ?? "ID"
        switch type {
        case "outcome-unknown": return "ask again: tandem transactions wait \(id)"
        case "needs-operator":
            return "look at the evidence (tandem transactions show \(id)), check the data, and "
                + "record the outcome (tandem transactions resolve \(id) ...)"
        case "precondition-failed":
            return "the transaction has changed since it was read; look at it and try again"
        case "idempotency-key-reused": return "give new work a new --key"
        case "idempotency-key-in-progress": return "wait: tandem transactions wait \(id)"
        case "not-found" where transaction == nil:
            return "tandem transactions list and tandem participants list show what there is"
        case "state-database-unavailable", "draining", "overloaded", "participant-busy":
            return "try again, or ask another replica with --url"
        case "participant-unavailable", "participant-slots-exhausted":
            return "tandem participants list shows the participant's state"
        default:
            return outcome == "aborted" && isRetryable
                ? "run it again with a new key; the old one gives this answer for ever" : nil
        }
    }
}
