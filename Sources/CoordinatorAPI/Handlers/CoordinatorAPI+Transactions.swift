import CommitProtocol
import HTTPServer
import HTTPTypes
import TransactionEngine

extension CoordinatorAPI {
    func post(_ request: ServerRequest) async throws(Problem) -> ServerResponse {
        try NoQuery.decode(Self.queryItems(request))
        try ContentNegotiation.requireJSON(request.headerFields)
        let key = try IdempotencyKey.read(request.headerFields[.idempotencyKey])
        let body = try TransactionBody.decode(
            request.body, limits: limits, isDigested: key != nil)
        let returnPoint = Preferences(request.headerFields[.prefer]).returnPoint
        let answer = await engine.run(order(body, key, returnPoint))
        var response: ServerResponse
        do throws(Problem) {
            response = try render(answer)
        } catch {
            response = Self.response(error)
        }
        if case .replayed = answer { response.headerFields[.idempotencyReplayed] = "true" }
        if let returnPoint, answer.isGiven(at: returnPoint) {
            response.headerFields[.preferenceApplied] = "return-at=\(returnPoint)"
        }
        return response
    }

    private func order(
        _ body: TransactionBody, _ key: IdempotencyKey?,
        _ returnPoint: Preferences.ReturnPoint?
    ) -> EngineRequest {
        let timeout = body.timeoutMilliseconds.map { Duration.milliseconds($0) }
        return EngineRequest(
            principal: principal,
            idempotency: key.map {
                EngineRequest.Idempotency(keyDigest: $0.digest, requestDigest: body.digest ?? [])
            },
            branches: body.branches.map { branch in
                EngineRequest.Branch(
                    participant: branch.participant,
                    statements: branch.statements.map(Statement.init), isReadOnly: branch.isReadOnly
                )
            },
            isolation: body.isolation.flatMap { .init(rawValue: $0.rawValue) } ?? .readCommitted,
            timeout: timeout ?? settings.defaultTimeout,
            labels: body.labels.keys.sorted().map {
                EngineRequest.Label(name: $0, value: body.labels[$0] ?? "")
            }, isOnePhase: body.isOnePhase,
            repliesAtDecision: returnPoint.map { $0 == .decision } ?? settings.returnsAtDecision)
    }

    private func render(_ answer: TransactionAnswer) throws(Problem) -> ServerResponse {
        switch answer {
        case .known(let record), .replayed(let record), .decided(let record):
            return try known(record)
        case .outcomeUnknown(let id):
            throw Self.outcomeUnknown(
                id, "The state database does not say what was decided; the status will tell.")
        case .neverCommits:
            var problem = Problem(
                .stateDatabaseUnavailable,
                "It will never commit. Whether its acceptance was recorded is not known, so a new "
                    + "attempt needs a new key.")
            problem.outcome = .aborted
            problem.isRetryable = false
            throw problem
        case .refused(let failure):
            throw Problem(failure)
        case .keyInProgress(let id):
            var problem = Problem(
                .idempotencyKeyInProgress,
                id == nil
                    ? "Another request has used this key, and nothing can be said of it yet; send this "
                        + "one again."
                    : "The first request with this key is still running. Its status resource tells "
                        + "how it ends.")
            problem.transaction = id?.description
            throw problem
        case .keyReused(let id):
            var problem = Problem(
                .idempotencyKeyReused,
                "This key was used before, with another request; new work takes a new key."
            )
            problem.transaction = id.description
            throw problem
        }
    }

    static func outcomeUnknown(_ id: GlobalTransactionID, _ detail: String) -> Problem {
        var problem = Problem(.outcomeUnknown, detail)
        problem.transaction = id.description
        return problem
    }

    /// 201 committed everywhere, 202 decided to commit, 409 aborted or left to an operator.
    private func known(_ record: TransactionRecord) throws(Problem) -> ServerResponse {
        if let problem = Problem.ofOperator(record) { throw problem }
        switch record.state {
        case .committed:
            return resource(record, .created)
        case .active, .preparing, .committing:
            return resource(record, .accepted)
        case .aborting, .aborted, .needsOperator:
            var problem = Problem(record, .decidedElsewhere, nil)
            guard let stored = record.problem else { return Self.response(problem) }
            problem.retryAfterSeconds = nil
            return Self.response(stored, status: 409, problem)
        }
    }

    func resource(
        _ record: TransactionRecord, _ status: HTTPResponse.Status
    ) -> ServerResponse {
        var response = Self.json(status, RecordRendering.bytes(record))
        response.headerFields[.eTag] = EntityTag(record.version, of: .json).text
        response.headerFields[.location] = "/v1/transactions/\(record.id)"
        return response
    }

    func show(
        _ request: ServerRequest, as type: MediaType
    ) async throws(Problem) -> ServerResponse {
        let query = try TransactionQuery.decode(Self.queryItems(request))
        let id = try Self.transactionID(request)
        let found: TransactionRecord?
        do throws(LogUnavailable) {
            found =
                query.waitSeconds > 0
                ? try await engine.status(
                    of: id, principal: nil, waiting: .seconds(query.waitSeconds))
                : try await engine.status(of: id, principal: nil)
        } catch {
            throw Self.unavailable(error, id)
        }
        guard let record = found else { throw Self.noSuchTransaction }
        let tag = EntityTag(record.version, of: type)
        if let condition = request.headerFields[.ifMatch] {
            try EntityTag.requireCondition(condition)
            guard tag.matches(ifMatch: condition) else {
                throw EntityTag.preconditionFailed(condition)
            }
        }
        if tag.matches(ifNoneMatch: request.headerFields[.ifNoneMatch]) {
            return ServerResponse(status: .notModified, headerFields: [.eTag: tag.text])
        }
        var response =
            type == .text
            ? Self.text(.ok, RecordRendering.line(record))
            : Self.json(.ok, RecordRendering.bytes(record))
        response.headerFields[.eTag] = tag.text
        return response
    }

    func list(
        _ request: ServerRequest, as type: MediaType
    ) async throws(Problem) -> ServerResponse {
        let query = try TransactionListQuery.decode(Self.queryItems(request))
        let filter = try filter(query)
        let page: RecordPage
        do throws(LogUnavailable) {
            page = try await engine.list(filter)
        } catch {
            throw Problem(unreadable: error)
        }
        let next = page.next.map(String.init)
        var response =
            type == .text
            ? Self.text(.ok, page.records.flatMap(RecordRendering.line))
            : Self.json(.ok, Self.page(page.records, next))
        if let next {
            let target = TransactionListQuery.target(request.query, at: next)
            response.headerFields[.link] = "<\(target)>; rel=\"next\""
        }
        return response
    }

    /// A page of transactions, and where the next one starts.
    private static func page(_ records: [TransactionRecord], _ next: String?) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.name("transactions")
        writer.beginArray()
        for record in records {
            RecordRendering.write(record, includingResults: false, &writer)
        }
        writer.endArray()
        writer.name("next")
        if let next { writer.string(next) } else { writer.null() }
        writer.endObject()
        return writer.bytes
    }

    private func filter(_ query: TransactionListQuery) throws(Problem) -> RecordFilter {
        var filter = RecordFilter()
        filter.states = query.states.compactMap { TransactionState(rawValue: $0) }
        filter.participant = query.participant
        filter.labels = query.labels.map { .init(name: $0.name, value: $0.value) }
        filter.acceptedBefore = query.olderThan?.microseconds
        filter.keyDigest = query.idempotencyKey?.digest
        if let cursor = query.cursor {
            guard let number = Int64(cursor), number > 0 else {
                throw Problem([
                    RequestIssue(
                        .parameter("cursor"), "The member `next` of an earlier page is wanted.")
                ])
            }
            filter.before = number
        }
        filter.limit = query.limit
        return filter
    }
}

extension TransactionAnswer {
    /// Whether a commit is told at the point that was preferred; an abort has but one.
    fileprivate func isGiven(at point: Preferences.ReturnPoint) -> Bool {
        switch self {
        case .decided(let record): point == .decision && !record.needsOperator
        case .known(let record), .replayed(let record):
            point == .end && record.state == .committed
        case .outcomeUnknown, .neverCommits, .refused, .keyInProgress, .keyReused: false
        }
    }
}

extension HTTPField.Name {
    static let prefer = known("Prefer")
    static let preferenceApplied = known("Preference-Applied")
    static let link = known("Link")
    static let idempotencyKey = known(IdempotencyKey.fieldName)
    static let idempotencyReplayed = known("Idempotency-Replayed")

    private static func known(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else {
            preconditionFailure("the name is a token")
        }
        return name
    }
}
