import CommitProtocol
package import EventLoop

/// Decides, before and after each durable step, whether and when the engine goes on.
///
/// Failpoints and control points are gates. A replica without one uses its ports as they are, so
/// that gates cost it nothing.
@LoopActor
package protocol StepGate: AnyObject, Sendable {
    /// Calls the completion, once, when a transaction may go on here; at once, in the usual case.
    func reach(_ place: StepPlace, then completion: @escaping Completion<StepVerdict>)
    /// The machine cancels the work of the branch with this name: it must not be held any longer.
    func giveUp(gid: String)
}

@LoopActor
extension StepGate {
    package func giveUp(gid: String) {}

    /// Waits until a transaction may go on here.
    func reach(_ place: StepPlace) async -> StepVerdict {
        await withCheckedContinuation { reply in reach(place) { reply.resume(returning: $0) } }
    }

    /// The ports with this gate around their durable steps.
    nonisolated package func around(
        _ log: any DecisionLog, _ participants: any Participants
    ) -> (any DecisionLog, any Participants) {
        (
            SteppedLog(inner: log, gate: self),
            SteppedParticipants(
                inner: participants, gate: self, installation: log.installation)
        )
    }
}

/// What a gate says.
package enum StepVerdict: Sendable, Hashable {
    /// The transaction goes on.
    case goOn
    /// The connection is lost here: what was to be sent is not sent, or its answer does not arrive.
    case disconnect
}

/// The place that a transaction has reached.
package struct StepPlace: Sendable {
    /// What the step is about.
    package enum Subject: Sendable {
        /// A record of a transaction.
        case write(LogWrite)
        /// Rows that were claimed.
        case rows([TransactionRecord])
        /// The branch with this name.
        case branch(gid: String)
        /// Something else.
        case other
    }

    /// The step.
    package let step: ProtocolStep
    /// Before or after it.
    package let moment: StepMoment
    /// What it is about.
    package let subject: Subject
    /// The branch's number; nil for the steps of the state database.
    package let branch: Int?
    /// Whether the step was carried out as the engine asked; false before it.
    package let isDone: Bool

    init(
        _ step: ProtocolStep, _ moment: StepMoment, of subject: Subject = .other,
        branch: Int? = nil, isDone: Bool = false
    ) {
        self.step = step
        self.moment = moment
        self.subject = subject
        self.branch = branch
        self.isDone = isDone
    }

    /// What is reported of a connection that a gate has cut.
    static let disconnected = "the connection was cut by a rehearsal"
}
