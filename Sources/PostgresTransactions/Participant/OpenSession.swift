import EventLoop
import PostgresClient
import TransactionEngine

/// What a participant knows of one of its open sessions.
///
/// It hangs on the connection, so that no branch has to look it up.
@LoopActor
final class OpenSession {
    let facts: SessionFacts
    let server: ServerTimeline
    let process: ServerProcess
    /// How often statements had been found outdated when the session last had none of them left.
    fileprivate(set) var outdatings: Int

    init(_ facts: SessionFacts, outdatings: Int) {
        self.facts = facts
        server = facts.server
        process = ServerProcess(server: facts.runningServer, id: facts.identity.processID)
        self.outdatings = outdatings
    }
}

extension PostgresConnection {
    /// The session at the other end, as long as it is open and once it has been examined.
    ///
    /// A session that was lost after it was lent has none: nothing may be concluded from what it was.
    var session: OpenSession? { isOpen ? attachment as? OpenSession : nil }
}

/// Prepared statements that are found outdated.
extension PostgresParticipant {
    /// Has every working session prepare its statements anew before its next use.
    ///
    /// A branch's code that met an outdated statement halfway cannot be run again. This keeps the same
    /// failure from happening once in every session.
    func outdateStatements() { outdatings += 1 }

    func forgetOutdatedStatements(of connection: PostgresConnection) {
        guard let session = connection.session, session.outdatings != outdatings else { return }
        session.outdatings = outdatings
        connection.forgetAllStatements()
    }
}
