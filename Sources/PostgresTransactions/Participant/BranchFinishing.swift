import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// The finishing of one prepared branch, from its fence to its report.
///
/// The usual one is one command on a shared session, and runs in no task. It is an object so that the request
/// is not copied for each answer that is awaited.
@LoopActor
final class BranchFinishing {
    private let request: FinishRequest
    private let participant: PostgresParticipant
    private let completion: @LoopActor (FinishReport) -> Void
    /// The part of a finishing session that it has.
    private var share: SharedConnections.Share?

    /// - Parameter completion: called once, on the loop.
    init(
        _ request: FinishRequest, in participant: PostgresParticipant,
        then completion: @escaping Completion<FinishReport>
    ) {
        self.request = request
        self.participant = participant
        self.completion = completion
    }

    private var verb: String {
        request.decision == .commit ? "COMMIT PREPARED" : "ROLLBACK PREPARED"
    }

    /// Passes the fence.
    func begin() {
        if request.fence == .none { return acquire() }
        spawn { [self] in
            if let obstacle = try await participant.obstacle(of: request.fence) {
                tryAgain(obstacle)
            } else {
                acquire()
            }
        }
    }

    private func acquire() {
        participant.sharedFinishers.acquire(timeout: participant.options.connectTimeout) { [self] in
            switch $0 {
            case .success(let share):
                self.share = share
                check(share.connection)
            case .failure(let error): tryAgain("\(error)")
            }
        }
    }

    /// Looks whether the session leads to the branch.
    private func check(_ connection: PostgresConnection) {
        if let obstacle = participant.serverObstacle(to: request, on: connection) {
            return tryAgain(obstacle)
        }
        guard request.checksOwner else { return send(on: connection) }
        spawn { [self] in
            if let obstacle = try await participant.ownerObstacle(to: request, on: connection) {
                tryAgain(obstacle)
            } else {
                send(on: connection)
            }
        }
    }

    private func send(on connection: PostgresConnection) {
        let command = Command(.command(verb, onPrepared: request.gid), cached: false)
        connection.execute([[command]], timeout: .seconds(60)) { [self] outcome in
            switch outcome {
            case .success(let replies): read(replies[0][0], from: connection)
            case .failure(let error):
                // A lost connection proves nothing about what was sent over it: ask again.
                tryAgain("\(error)")
            }
        }
    }

    private func read(_ reply: CommandReply, from connection: PostgresConnection) {
        switch reply {
        case .completed(let result) where result.tag == verb:
            // A cancelled wait for a standby is a success with a warning.
            let isUnconfirmed = result.notices.contains { $0.severity == "WARNING" }
            let isCommit = request.decision == .commit
            end(FinishReport(isUnconfirmed && isCommit ? .provedCommitted : .done))
        case .completed(let result):
            tryAgain("expected the tag \(verb), got \(result.tag)")
        case .failed(let message) where message.state == .undefinedObject:
            spawn { [self] in end(try await participant.judge(request, on: connection)) }
        case .failed(let message) where message.state == .insufficientPrivilege:
            let owner =
                request.evidence.map { "role \"\($0.owner)\"" } ?? "the role that prepared it"
            tryAgain(
                "\(message.message): as \(owner) or a superuser, in database "
                    + "\"\(connection.session?.facts.database ?? "")\", run \(verb) "
                    + request.gid.quotedLiteral)
        case .failed(let message):
            tryAgain(message.message)
        case .exceeded, .skipped:
            tryAgain("skipped")
        }
    }

    private func tryAgain(_ error: String) { end(FinishReport(.tryAgain, error: error)) }

    /// Gives the session back; an end that was only read is confirmed after that.
    private func end(_ report: FinishReport) {
        let server = share?.connection.session?.server
        if let share { participant.sharedFinishers.release(share) }
        share = nil
        guard report.reply == .provedCommitted else { return complete(report) }
        spawn { [self] in complete(await participant.confirmed(report, at: server)) }
    }

    private func complete(_ report: FinishReport) {
        if report.reply != .tryAgain { participant.slots.free(request.gid) }
        completion(report)
    }

    /// Goes on in a task, for what needs further answers and is rare.
    private func spawn(_ body: @escaping @LoopActor @Sendable () async throws -> Void) {
        participant.loop.spawn { [self] in
            do {
                try await body()
            } catch {
                tryAgain("\(error)")
            }
        }
    }
}
