import CommitProtocol
import EventLoop
import TransactionEngine

/// The sessions and slots that a request needs, by participant.
struct SessionNeed: Equatable {
    /// What it needs of one participant.
    struct Part: Equatable {
        /// The participant's place among all.
        let participant: Int
        fileprivate(set) var sessions = 0
        /// How many of these branches will be prepared.
        fileprivate(set) var slots = 0
    }

    /// Each participant once, in the order of the branches.
    private(set) var parts: [Part] = []

    init(_ requests: [SessionRequest], among names: [String]) {
        parts.reserveCapacity(requests.count)
        for request in requests {
            guard let place = names.firstIndex(of: request.participant) else {
                preconditionFailure("a request names configured participants")
            }
            let index = parts.firstIndex { $0.participant == place } ?? parts.count
            if index == parts.count { parts.append(Part(participant: place)) }
            parts[index].sessions += 1
            if request.commitMode == .twoPhase { parts[index].slots += 1 }
        }
    }

    /// How many sessions it needs of a participant.
    func sessions(of participant: Int) -> Int {
        parts.first { $0.participant == participant }?.sessions ?? 0
    }

    /// Whether both need the same, in whatever order.
    static func == (left: SessionNeed, right: SessionNeed) -> Bool {
        left.parts.count == right.parts.count && left.parts.allSatisfy(right.parts.contains)
    }
}

/// A request for sessions, one for each branch, until it is answered.
@LoopActor
final class SessionWaiter {
    typealias Outcome = Result<[any BranchSession], AdmissionFailure>

    let requests: [SessionRequest]
    let need: SessionNeed
    /// Whether its transaction ran before, and so is served before the others of its line.
    let runsAgain: Bool
    /// What is contended of it: noted when it asks, and again when more is seen while it waits.
    var contended: ContendedBranches
    /// How long it waits at most.
    let limit: Duration
    /// How many more times slots are counted before it is refused for lack of them: each count may clear
    /// one participant.
    var countsLeft: Int
    /// Its place in the order of arrival, once it waits in a line.
    private(set) var ticket = 0
    private(set) var deadline: ContinuousClock.Instant?
    /// The line that it waits in; nil before and after that.
    var line: SessionLine?
    private var completion: (@LoopActor (Outcome) -> Void)?

    var isAnswered: Bool { completion == nil }

    init(
        _ requests: [SessionRequest], need: SessionNeed, contended: ContendedBranches,
        runsAgain: Bool = false, limit: Duration = .zero,
        completion: @escaping Completion<Outcome> = { _ in }
    ) {
        self.requests = requests
        self.need = need
        self.contended = contended
        self.runsAgain = runsAgain
        self.limit = limit
        countsLeft = requests.count
        self.completion = completion
    }

    /// It begins to wait.
    func begin(ticket: Int, at now: ContinuousClock.Instant) {
        self.ticket = ticket
        deadline = now + limit
    }

    func answer(_ outcome: Outcome) {
        let completion = completion
        self.completion = nil
        completion?(outcome)
    }
}
