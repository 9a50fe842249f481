internal import CommitProtocol

/// The texts of transcripts.
extension Step {
    var prose: String {
        var parts: [String] = []
        if let log { parts.append("log \(log)") }
        parts += commands.map { "\($0)" }
        parts += timers.map { "timer \($0.timer)" }
        if let reply { parts.append("reply \(reply)") }
        if isLast { parts.append("last") }
        return parts.joined(separator: ", ")
    }
}

extension Message {
    var prose: String {
        let what =
            switch content {
            case .log(let request): "log \(request)"
            case .branch(let command): "\(command)"
            }
        return "\(what) of incarnation \(sender)"
    }
}
