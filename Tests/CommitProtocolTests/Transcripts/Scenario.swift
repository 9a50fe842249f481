import CommitProtocol

/// A transcript: events on the left, and the machine's step indented below each.
///
/// `#` begins a comment. The first other line names the branches' commit modes.
struct Scenario {
    /// The machine's steps, with the comments and events of the text.
    let transcript: String
    /// The first line that is not an event.
    let fault: String?

    init(_ text: String) {
        var machine: TransactionMachine?
        var lines: [String] = []
        var fault: String?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("    ") { continue }
            lines.append(String(line))
            if line.isEmpty || line.hasPrefix("#") { continue }
            if line.hasPrefix("branches ") {
                let words = line.split(separator: " ").dropFirst()
                let commitModes = words.compactMap { CommitMode(rawValue: String($0)) }
                machine = TransactionMachine(
                    transaction: someTransaction, commitModes: commitModes,
                    repliesAtDecision: words.last == "replyAtDecision")
                continue
            }
            let commitModes = machine?.branches.map(\.commitMode) ?? []
            guard let event = Wording.event(line, commitModes: commitModes),
                let step = machine?.handle(event), let after = machine
            else {
                fault = fault ?? String(line)
                continue
            }
            lines += step.lines(after: after).map { "    " + $0 }
        }
        transcript = lines.joined(separator: "\n")
        self.fault = fault
    }
}
