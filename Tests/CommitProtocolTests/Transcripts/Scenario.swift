import CommitProtocol

/// A transcript: events on the left, and indented below each what the machine says to it.
///
/// `#` begins a comment. The first other line names the branches' endings.
struct Scenario {
    /// What the machine says, with the comments and events of the text as they were.
    let transcript: String
    /// The first line that is no event.
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
                    repliesAtDecision: words.last == "answerAtDecision")
                continue
            }
            let commitModes = machine?.branches.map(\.commitMode) ?? []
            guard let event = Wording.event(line, commitModes: commitModes),
                let step = machine?.tell(event), let after = machine
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
