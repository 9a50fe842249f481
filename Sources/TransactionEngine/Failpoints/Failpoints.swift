#if TANDEM_FAILPOINTS
import CommitProtocol
package import EventLoop
import Glibc

/// The failpoints of this process, as `TANDEM_FAILPOINTS` arms them.
///
/// The text is `<name>=<action>[*<hit>]`, separated by commas: `decideCommit.after=kill` or
/// `accept.before=stop*3`. The action `kill` ends the process as `kill -9` does; `stop` stops it
/// as SIGSTOP does, and it goes on at SIGCONT. Each fires once, at the given hit (the first
/// unless given), and says so on standard error first, in one line: `failpoint <name>`.
///
/// It is compiled into debug builds only.
package final class Failpoints: StepGate {
    private enum Action: String {
        case kill
        case stop
    }

    private struct Armed {
        let action: Action
        var hitsLeft: Int
    }

    private let armed: Lock<[String: Armed]>

    /// Reads the text; nil unless all of it is understood.
    nonisolated package init?(_ text: String) {
        var armed: [String: Armed] = [:]
        for entry in text.split(separator: ",") {
            let sides = entry.split(separator: "=", omittingEmptySubsequences: false)
            guard sides.count == 2, Self.isKnown(sides[0]) else { return nil }
            let parts = sides[1].split(separator: "*", omittingEmptySubsequences: false)
            guard let action = parts.first.flatMap({ Action(rawValue: String($0)) }),
                let hit = parts.count == 1 ? 1 : Int(parts[1]), parts.count <= 2, hit > 0
            else { return nil }
            armed[String(sides[0])] = Armed(action: action, hitsLeft: hit)
        }
        self.armed = Lock(armed)
    }

    private nonisolated static func isKnown(_ name: Substring) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), ProtocolStep(rawValue: String(parts[0])) != nil,
            StepMoment(rawValue: String(parts[1])) != nil
        else { return false }
        return parts.count == 2 || Int(parts[2]) != nil
    }

    /// Dies or stops here, if this point is armed and this is the hit.
    package func reach(_ place: StepPlace, then completion: @escaping Completion<StepVerdict>) {
        hit(Failpoint(step: place.step, moment: place.moment, branch: place.branch).description)
        completion(.goOn)
    }

    private func hit(_ name: String) {
        let action: Action? = armed.withLock { armed in
            guard var point = armed[name] else { return nil }
            point.hitsLeft -= 1
            armed[name] = point.hitsLeft == 0 ? nil : point
            return point.hitsLeft == 0 ? point.action : nil
        }
        guard let action else { return }
        let line = Array("failpoint \(name)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
        switch action {
        case .kill: _ = kill(getpid(), SIGKILL)
        // To this very thread: sent to the process, it would let this one run a little further.
        case .stop: _ = raise(SIGSTOP)
        }
    }
}
#endif
