import AccessControl
import CommitProtocol
import EventLoop
import HTTPServer
import HTTPTypes
import TransactionEngine

extension CoordinatorAPI {
    // MARK: Beginning

    /// Begins a transaction, and answers when the engine does.
    ///
    /// Everything up to the engine happens at once and its answer comes by a call, so there is no task
    /// here: most requests are of this kind.
    @LoopActor
    func begin(_ request: ServerRequest, _ answer: @escaping Answer) {
        let returnPoint = ReturnPoint(prefer: request.headerFields[.prefer])
        var work: TransactionRequest
        do throws(Problem) {
            let caller = try caller(of: request, needing: [.run])
            work = try transactionRequest(request, of: caller, returnPoint: returnPoint)
        } catch {
            return answer(ServerResponse(error))
        }
        work.traceParent = request.headerFields[.traceParent].flatMap { TraceParent($0) }
        engine.run(work) { outcome in
            answer(Self.response(to: outcome, preferred: returnPoint))
        }
    }

    @LoopActor
    private func transactionRequest(
        _ request: ServerRequest, of caller: Principal, returnPoint: ReturnPoint?
    ) throws(Problem) -> TransactionRequest {
        _ = try ContentNegotiation.choose(accept: request.headerFields[.accept], from: [.json])
        try NoQuery.require(request.queryItems())
        try request.requireJSON()
        let key = try IdempotencyKey.read(request.headerFields[.idempotencyKey])
        let body = try TransactionBody.decode(
            request.body, limits: settings.limits, isDigested: key != nil)
        for (number, branch) in body.branches.enumerated()
        where !caller.mayUse(branch.participant) {
            throw Problem(
                authorizer.refused(
                    .participantNotAllowed(
                        branch.participant, branch: number, principal: caller.name), of: request))
        }
        return transactionRequest(body, of: caller, key: key, returnPoint: returnPoint)
    }

    private static func response(
        to answer: TransactionAnswer, preferred returnPoint: ReturnPoint?
    ) -> ServerResponse {
        var response: ServerResponse
        do throws(Problem) {
            response = try Self.response(to: answer)
        } catch {
            response = ServerResponse(error)
        }
        if case .replayed = answer { response.headerFields[.idempotencyReplayed] = "true" }
        if let returnPoint, answer.isGiven(at: returnPoint) {
            response.headerFields[.preferenceApplied] = "return-at=\(returnPoint)"
        }
        return response
    }

    private func transactionRequest(
        _ body: TransactionBody, of caller: Principal, key: IdempotencyKey?,
        returnPoint: ReturnPoint?
    ) -> TransactionRequest {
        var branches = body.branches
        if let limit = body.lockTimeoutMilliseconds {
            for index in branches.indices where branches[index].lockTimeout == nil {
                branches[index].lockTimeout = .milliseconds(limit)
            }
        }
        return TransactionRequest(
            principal: caller.name,
            idempotency: key.map { .init(keyDigest: $0.digest, requestDigest: body.digest ?? []) },
            branches: branches, isolation: body.isolation ?? .readCommitted,
            timeout: body.timeoutMilliseconds.map { .milliseconds($0) } ?? settings.defaultTimeout,
            labels: body.labels.sorted { $0.key < $1.key }.map { .init(name: $0, value: $1) },
            execution: body.execution, retriesMax: body.retries ?? settings.defaultRetries,
            isOnePhase: body.isOnePhase,
            repliesAtDecision: returnPoint.map { $0 == .decision } ?? settings.returnsAtDecision)
    }

    private static func response(to answer: TransactionAnswer) throws(Problem) -> ServerResponse {
        switch answer {
        case .known(let record), .replayed(let record), .decided(let record):
            return try response(to: record)
        case .outcomeUnknown(let id):
            throw outcomeUnknown(id)
        case .neverCommits:
            var problem = Problem(
                .stateDatabaseUnavailable,
                "The transaction will never commit: it was aborted, or will be. Its key, if it has "
                    + "one, may have been recorded: use a new one to try again.")
            problem.outcome = .aborted
            problem.isRetryable = false
            throw problem
        case .refused(let failure):
            throw Problem(failure)
        case .keyInProgress(let id?):
            throw Problem(
                .idempotencyKeyInProgress,
                "The first request with this Idempotency-Key has no final outcome yet. Send this "
                    + "request again later for it, or GET the status that Location names, where "
                    + "retriedAs, if it is not null, names the run that decides.", transaction: id)
        case .keyInProgress(nil):
            throw Problem(
                .idempotencyKeyInProgress,
                "tandem cannot say yet what became of the first request with this "
                    + "Idempotency-Key. Send this request again.")
        case .keyReused(let id):
            throw Problem(
                .idempotencyKeyReused,
                "Expected the body that this Idempotency-Key was first used with, got another. "
                    + "Use a new key for new work.", transaction: id)
        }
    }

    /// 201 committed everywhere, 202 not finished yet, 409 aborted or left to an operator.
    private static func response(
        to record: TransactionRecord
    ) throws(Problem) -> ServerResponse {
        if let problem = Problem(needsOperator: record) { throw problem }
        switch record.state {
        case .committed:
            return ServerResponse(.created, record)
        case .active, .preparing, .committing:
            return ServerResponse(.accepted, record)
        case .aborting, .aborted, .needsOperator:
            return ServerResponse(
                Problem(aborting: record, .decidedElsewhere, nil), stored: record.problem)
        }
    }

    // MARK: Reading

    func show(
        _ request: ServerRequest, as type: MediaType, to caller: Principal
    ) async throws(Problem) -> ServerResponse {
        let seconds = try TransactionQuery.waitSeconds(request.queryItems())
        let record = try await record(
            request.transactionID(), of: caller, waiting: .seconds(seconds))
        let live = await liveDetails(of: record, for: caller)
        let tag = EntityTag(record.version + live.version, of: type)
        if let condition = request.headerFields[.ifMatch] {
            try EntityTag.requireCondition(condition)
            guard tag.matches(ifMatch: condition) else {
                throw EntityTag.preconditionFailed(condition)
            }
        }
        if tag.matches(ifNoneMatch: request.headerFields[.ifNoneMatch]) {
            return ServerResponse(status: .notModified, headerFields: [.eTag: tag.text])
        }
        let body =
            type == .text
            ? RecordRendering.line(record) : RecordRendering.json(record, live)
        var response = ServerResponse(.ok, type, body: body)
        response.headerFields[.eTag] = tag.text
        return response
    }

    /// Shows the course of a transaction, as far as its row and this replica's memory hold it.
    func showTimeline(
        _ request: ServerRequest, as type: MediaType, to caller: Principal
    ) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        let record = try await record(request.transactionID(), of: caller)
        let events = await engine.timeline(of: record)
        return ServerResponse(
            .ok, type,
            body: type == .text
                ? TimelineRendering.lines(events) : TimelineRendering.json(events, of: record.id))
    }

    func list(
        _ request: ServerRequest, as type: MediaType, for caller: Principal
    ) async throws(Problem) -> ServerResponse {
        var filter = try TransactionListQuery.decode(request.queryItems())
        filter.principal = caller.seenOwner
        let page: RecordPage
        do throws(LogUnavailable) {
            page = try await engine.list(filter)
        } catch {
            throw Problem(error)
        }
        var response = ServerResponse(
            .ok, type,
            body: type == .text
                ? page.records.flatMap(RecordRendering.line) : RecordRendering.json(page))
        if let next = page.next {
            let target = TransactionListQuery.target(request.query, at: "\(next)")
            response.headerFields[.link] = "<\(target)>; rel=\"next\""
        }
        return response
    }

    /// Reads a transaction that the caller may see, after its end if that comes within the wait.
    private func record(
        _ id: GlobalTransactionID, of caller: Principal, waiting limit: Duration = .zero
    ) async throws(Problem) -> TransactionRecord {
        let found: TransactionRecord?
        do throws(LogUnavailable) {
            found =
                limit > .zero
                ? try await engine.status(of: id, principal: caller.seenOwner, waiting: limit)
                : try await engine.status(of: id, principal: caller.seenOwner)
        } catch {
            throw Problem(error, of: id)
        }
        guard let found else { throw Self.noSuchTransaction }
        return found
    }

    /// What the branches of an unfinished transaction wait for, if this replica coordinates it.
    private func liveDetails(
        of record: TransactionRecord, for caller: Principal
    ) async -> LiveDetails {
        guard record.finishedAt == nil else { return LiveDetails() }
        let waits = record.decision == nil ? await engine.waits(of: record.id) : []
        return LiveDetails(
            waits: caller.may(.operate) ? waits : waits.map(\.withoutStrangers),
            nextAttempts: await engine.nextAttempts(of: record.id))
    }

    // MARK: Finishing

    /// Rolls a transaction back, whichever replica coordinates it; repeated, it gives the recorded
    /// outcome.
    func rollBack(
        _ request: ServerRequest, for caller: Principal
    ) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        let id = try request.transactionID()
        if let condition = request.headerFields[.ifMatch] {
            try EntityTag.requireCondition(condition)
            guard try await Self.matches(condition, version: record(id, of: caller).version)
            else {
                throw EntityTag.preconditionFailed(condition)
            }
        }
        let answer: RollbackAnswer
        do throws(LogUnavailable) {
            answer = try await engine.rollBack(id, principal: caller.seenOwner)
        } catch {
            throw Problem(error, of: id)
        }
        switch answer {
        case .notFound:
            throw Self.noSuchTransaction
        case .outcomeUnknown:
            throw Self.outcomeUnknown(id)
        case .held:
            throw Problem(
                .conflict,
                "The state database was restored or replaced and may have lost the decision. An "
                    + "operator must resolve the transaction with POST .../resolution, or release "
                    + "the quarantine with `tandem release`.", transaction: id)
        case .known(let record):
            if let problem = Problem(needsOperator: record) { throw problem }
            guard record.decision == .abort else {
                throw Problem(
                    .conflict, "The decision is to commit, so it can no longer be rolled back.",
                    transaction: id)
            }
            return ServerResponse(record.finishedAt == nil ? .accepted : .ok, record)
        }
    }

    /// Has the unfinished branches of a decided transaction tried at once, at whichever replica.
    func retry(
        _ request: ServerRequest, for caller: Principal
    ) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        let id = try request.transactionID()
        let answer: RetryAnswer
        do throws(LogUnavailable) {
            answer = try await engine.retryNow(id, principal: caller.seenOwner)
        } catch {
            throw Problem(error, of: id)
        }
        switch answer {
        case .notFound: throw Self.noSuchTransaction
        case .undecided:
            throw Problem(
                .conflict, "Nothing is decided yet, so there is no branch to finish.",
                transaction: id)
        case .finished:
            throw Problem(
                .conflict, "Every branch has finished, so there is nothing to try again.",
                transaction: id)
        case .asked(let record): return ServerResponse(.accepted, record)
        }
    }

    /// Records an operator's resolution of a branch.
    func resolve(
        _ request: ServerRequest, for caller: Principal
    ) async throws(Problem) -> ServerResponse {
        try NoQuery.require(request.queryItems())
        try request.requireJSON()
        let id = try request.transactionID()
        let resolution = try Resolution(decoding: request.body)
        guard let condition = request.headerFields[.ifMatch] else {
            throw Problem(
                .preconditionRequired,
                "Expected an If-Match header: the ETag of the transaction's status, or * for a "
                    + "prepared transaction that has no record.")
        }
        try EntityTag.requireCondition(condition)
        let answer: ResolutionAnswer
        do throws(LogUnavailable) {
            answer = try await engine.resolve(id, resolution) { version in
                version.map { Self.matches(condition, version: $0) }
                    ?? EntityTag.matchesAnything(condition)
            }
        } catch {
            throw Problem(error, of: id)
        }
        switch answer {
        case .notFound: throw Self.noSuchTransaction
        case .changed: throw EntityTag.preconditionFailed(condition)
        case .refused(let reason): throw Problem(.conflict, reason, transaction: id)
        case .recorded(let record): return ServerResponse(.ok, record)
        case .ended: return ServerResponse(status: .noContent)
        case .pending: return ServerResponse(status: .accepted)
        }
    }

    /// Whether an `If-Match` names this version, in any of its media types.
    ///
    /// What branches wait for does not count: at a hot row it changes with every commit, and a
    /// condition that was met by chance alone would be of no use.
    private static func matches(_ condition: String, version: String) -> Bool {
        let condition = LiveDetails.removingVersions(from: condition)
        return MediaType.ofLists.contains { EntityTag(version, of: $0).matches(ifMatch: condition) }
    }

    private static func outcomeUnknown(_ id: GlobalTransactionID) -> Problem {
        Problem(
            .outcomeUnknown,
            "The database that records the decision did not confirm it, so the transaction may "
                + "have been committed or aborted. GET the status that Location names.",
            transaction: id)
    }

    static var noSuchTransaction: Problem {
        Problem(
            .notFound,
            "No transaction has this id. Finished ones are removed after "
                + "transactions.retentionHours.")
    }
}

extension ServerRequest {
    func requireJSON() throws(Problem) {
        try ContentNegotiation.requireJSON(
            contentType: headerFields[.contentType], contentEncoding: headerFields[.contentEncoding]
        )
    }

    fileprivate func transactionID() throws(Problem) -> GlobalTransactionID {
        guard let id = parameters["id"].flatMap({ GlobalTransactionID($0) }) else {
            throw CoordinatorAPI.noSuchTransaction
        }
        return id
    }
}

extension TransactionAnswer {
    /// Whether a commit is answered at the point that was preferred; an abort has only one.
    fileprivate func isGiven(at point: ReturnPoint) -> Bool {
        switch self {
        case .decided(let record): point == .decision && !record.needsOperator
        case .known(let record), .replayed(let record):
            point == .end && record.state == .committed
        case .outcomeUnknown, .neverCommits, .refused, .keyInProgress, .keyReused: false
        }
    }
}
