import CommitProtocol
import EventLoop
package import HTTPServer
import HTTPTypes
package import TransactionEngine

/// The routes of the control points, for rehearsals: `tandem dev` adds them, `tandem serve` does not.
///
/// They are no part of the contract, openapi.yaml, which holds for every replica; docs/REHEARSAL.md
/// describes them.
package struct ControlPointsAPI: Sendable {
    private let points: ControlPointGate
    private let participants: [String]
    /// At most so many rules: each is tried at each step.
    package static let countMax = 100

    /// Makes the routes of a replica's control points.
    package init(points: ControlPointGate, participants: [String]) {
        self.points = points
        self.participants = participants
    }

    /// Adds the routes to a server's.
    package func add(to router: inout Router) {
        router.on(.get, "/dev/control-points", suspending: answering(list))
        router.on(.post, "/dev/control-points", suspending: answering(add))
        router.on(.delete, "/dev/control-points", suspending: answering(removeAll))
        router.on(.get, "/dev/control-points/{id}", suspending: answering(show))
        router.on(.delete, "/dev/control-points/{id}", suspending: answering(remove))
    }

    private func answering(
        _ body: @escaping @Sendable (ServerRequest) async throws(Problem) -> ServerResponse
    ) -> SuspendingHandler {
        { request in
            do throws(Problem) {
                return try await body(request)
            } catch {
                return ServerResponse(error)
            }
        }
    }

    @LoopActor
    private func list(_ request: ServerRequest) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        var writer = JSONWriter()
        writer.object { writer in
            writer.name("controlPoints")
            writer.array(points.entries) { write($0, to: &$1) }
        }
        return ServerResponse(.ok, .json, body: writer.bytes)
    }

    @LoopActor
    private func add(_ request: ServerRequest) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        try request.requireJSON()
        let rule = try ControlRule(decoding: request.body, participants: participants)
        guard points.entries.count < Self.countMax else {
            throw Problem(
                .conflict,
                "Expected at most \(Self.countMax) control points; DELETE /dev/control-points "
                    + "removes all.")
        }
        let id = points.add(rule)
        var response = try response(.created, id)
        response.headerFields[.location] = "/dev/control-points/\(id)"
        return response
    }

    @LoopActor
    private func show(_ request: ServerRequest) async throws(Problem) -> ServerResponse {
        let seconds = try TransactionQuery.waitSeconds(request.queryItems())
        let id = try id(of: request)
        await points.waitUntilMet(id, within: .seconds(seconds))
        return try response(.ok, id)
    }

    @LoopActor
    private func remove(_ request: ServerRequest) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        guard points.remove(try id(of: request)) else { throw Self.noSuchPoint }
        return ServerResponse(status: .noContent)
    }

    @LoopActor
    private func removeAll(_ request: ServerRequest) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        points.removeAll()
        return ServerResponse(status: .noContent)
    }

    private func id(of request: ServerRequest) throws(Problem) -> Int {
        guard let id = request.parameters["id"].flatMap({ Int($0) }) else {
            throw Self.noSuchPoint
        }
        return id
    }

    private static var noSuchPoint: Problem {
        Problem(.notFound, "No control point has this id; GET /dev/control-points lists all.")
    }

    @LoopActor
    private func response(
        _ status: HTTPResponse.Status, _ id: Int
    ) throws(Problem) -> ServerResponse {
        guard let entry = points.entries.first(where: { $0.id == id }) else {
            throw Self.noSuchPoint
        }
        var writer = JSONWriter()
        write(entry, to: &writer)
        return ServerResponse(status, .json, body: writer.bytes)
    }

    @LoopActor
    private func write(_ entry: ControlPointGate.Entry, to writer: inout JSONWriter) {
        let paused = points.paused.filter { $0.rule == entry.id }
        writer.object { writer in
            writer.member("id", entry.id)
            writer.member("point", entry.rule.point.rawValue)
            writer.member("action", entry.rule.action.rawValue)
            writer.nullable("participant", entry.rule.participant)
            writer.name("labels")
            writer.object { writer in
                for label in entry.rule.labels {
                    writer.name(escaping: label.name)
                    writer.string(label.value)
                }
            }
            // The key is a secret, so its digest alone is kept.
            writer.member("hasIdempotencyKey", entry.rule.keyDigest != nil)
            writer.nullable("transactions", entry.rule.transactionsMax)
            writer.member("met", entry.transactionCount)
            writer.name("paused")
            writer.array(paused) { one, writer in
                writer.object { writer in
                    writer.member("transaction", one.transaction.description)
                    writer.nullable("branch", one.branch)
                    writer.nullable("participant", one.participant)
                    writer.name("since")
                    writer.time(microseconds: one.since)
                }
            }
        }
    }
}
