import AccessControl
import CommitProtocol
import CoordinatorAPI
import HTTPServer
import HTTPTypes
import TransactionEngine

/// The pages: what each reads, and from where.
extension OperatorConsole {
    /// The greatest age that may be asked for, in seconds: a century.
    private static let ageMax = 3_155_760_000

    func overview(
        _ request: ServerRequest, on site: Layout.Site
    ) async throws(LogUnavailable) -> ServerResponse {
        // It counts and shows the transactions of everybody.
        guard site.visitor.may(.operate) else { return Self.redirect(to: .transactions) }
        let asked = request.queryParameters.first { $0.name == "olderThan" }
        let age = min(max(asked.flatMap { Int($0.value) } ?? 0, 0), Self.ageMax)
        var summaries: [QueueSummary] = []
        var replicas: [ReplicaReport] = []
        var queues: [QueueView] = []
        var stateFailure: String?
        do throws(LogUnavailable) {
            let overview = try await engine.overview()
            summaries = overview.queues
            replicas = overview.replicas
            for kind in QueueView.order {
                queues.append(
                    try await queue(kind, summaries, olderThan: age))
            }
        } catch {
            stateFailure = error.reason
        }
        let participants = await participantViews()
        let moment = now
        let page = OverviewPage(
            queues: queues, stateFailure: stateFailure, readiness: await readiness(),
            stateHazards: await stateHazards(), age: age, activity: activity.report(),
            inFlight: await engine.inFlight,
            participants: participants, replicas: replicas, replica: site.replica, moment: moment)
        let layout = Layout(
            site: site, place: .overview, title: "Overview", moment: moment, json: .overviewJSON)
        return Self.response(
            stateFailure == nil ? .ok : .serviceUnavailable, layout.page { page.html })
    }

    /// A queue with its oldest transactions of at least that age, in seconds.
    private func queue(
        _ kind: TransactionQueue, _ summaries: [QueueSummary], olderThan age: Int
    ) async throws(LogUnavailable) -> QueueView {
        let summary = summaries.first { $0.queue == kind }
        var records: [TransactionRecord] = []
        if let summary, summary.count > 0 {
            var filter = RecordFilter()
            filter.queue = kind
            filter.order = .oldest
            filter.limit = QueueView.rowsMax
            if age > 0 { filter.acceptedBefore = clock.wallTime - Int64(age) * 1_000_000 }
            records = try await engine.list(filter).records
        }
        return QueueView(
            kind: kind, count: summary?.count ?? 0, isAtLeast: summary?.isCountExact == false,
            records: records)
    }

    func transactions(
        _ request: ServerRequest, on site: Layout.Site
    ) async throws(LogUnavailable) -> ServerResponse {
        // A browser sends the fields of a form that are left empty as well.
        let items = request.queryParameters.filter { !$0.value.isEmpty }
        var faults: [String] = []
        var found: RecordPage?
        switch TransactionListRequest.read(items) {
        case .success(var filter):
            filter.principal = site.visitor.seenOwner
            found = try await engine.list(filter)
        case .failure(let refusal): faults = refusal.faults
        }
        let moment = now
        let page = TransactionListPage(
            items: items, faults: faults, page: found,
            participants: await engine.participantStatuses().map(\.name)
                .filter { site.visitor.may(.operate) || site.visitor.mayUse($0) }, moment: moment)
        let layout = Layout(
            site: site, place: .transactions, title: "Transactions", moment: moment,
            json: faults.isEmpty ? page.json : nil)
        return Self.response(faults.isEmpty ? .ok : .badRequest, layout.page { page.html })
    }

    func transaction(
        _ request: ServerRequest, on site: Layout.Site
    ) async throws(LogUnavailable) -> ServerResponse {
        let id = request.parameters["id"].flatMap { GlobalTransactionID($0) }
        guard let id,
            let record = try await record(id, of: site.visitor.seenOwner)
        else { return rendered(.notFound, at: now, on: site) }
        let isUndecided = record.decision == nil && record.finishedAt == nil
        // Both say what other principals' transactions and other programs do.
        let seesOthers = site.visitor.may(.operate)
        let waits = isUndecided && seesOthers ? await engine.waits(of: id) : []
        let nextAttempts = await engine.nextAttempts(of: id)
        let events = await engine.timeline(of: record)
        // Where a branch is open, what its server shows of it is worth a question.
        let open = record.branches.filter {
            $0.outcome == nil && $0.evidence != nil && seesOthers
        }
        let answering = await engine.participantStatuses().filter(\.isAvailable).map(\.name)
        let found = await prepared.latest(
            of: answering.filter { name in open.contains { $0.participant == name } })
        let moment = now
        let page = TransactionPage(
            record: record, events: events, waits: waits, nextAttempts: nextAttempts,
            readings: found,
            replica: site.replica, moment: moment, isReadOnly: site.isReadOnly)
        let layout = Layout(
            site: site, place: .transactions, title: "Transaction \(id.number)", moment: moment,
            json: .transactionJSON(id.description))
        return Self.response(.ok, layout.page { page.html })
    }

    /// A transaction as far as it is known: where the database that decides does not answer, the page
    /// is needed most.
    private func record(
        _ id: GlobalTransactionID, of principal: String?
    ) async throws(LogUnavailable) -> TransactionRecord? {
        // A list does not wait for such a database.
        var filter = RecordFilter()
        filter.principal = principal
        filter.cursor = id.number + 1
        filter.limit = 1
        let listed = try await engine.list(filter).records.first { $0.id == id }
        if let listed, Standing(listed, now: clock.wallTime).tone == .doubt { return listed }
        do throws(LogUnavailable) {
            return try await engine.status(of: id, principal: principal)
        } catch {
            guard error.isOutcomeUnknown else { throw error }
            return listed
        }
    }

    func participants(
        _ request: ServerRequest, on site: Layout.Site
    ) async throws(LogUnavailable) -> ServerResponse {
        let participants = await participantViews()
        let moment = now
        let page = ParticipantsPage(participants: participants, moment: moment)
        let layout = Layout(
            site: site, place: .participants, title: "Participants", moment: moment,
            json: .participantsJSON)
        return Self.response(.ok, layout.page { page.html })
    }

    func participant(
        _ request: ServerRequest, on site: Layout.Site
    ) async throws(LogUnavailable) -> ServerResponse {
        let name = request.parameters["name"]
        guard let view = await participantViews().first(where: { $0.status.name == name }) else {
            return rendered(.notFound, at: now, on: site)
        }
        let asked = view.status.isAvailable ? [view.status.name] : []
        let waits = await waits.latest(of: asked)[view.status.name]
        let page = ParticipantPage(
            participant: view, waits: waits, moment: now, isReadOnly: site.isReadOnly)
        let layout = Layout(
            site: site, place: .participants, title: view.status.name, moment: page.moment,
            json: .participantJSON(view.status.name))
        return Self.response(.ok, layout.page { page.html })
    }

    /// All participants; those that answer are asked about their prepared transactions.
    private func participantViews() async -> [ParticipantView] {
        let statuses = await engine.participantStatuses()
        let found = await prepared.latest(of: statuses.filter(\.isAvailable).map(\.name))
        var views: [ParticipantView] = []
        for status in statuses {
            views.append(
                ParticipantView(
                    status: status, reported: await engine.reportedTransactions(in: status.name),
                    reading: status.isAvailable ? found[status.name] : nil))
        }
        return views
    }
}

extension ServerRequest {
    /// The query's parameters, in order; a broken one is left out, for an address is easily mistyped.
    var queryParameters: [(name: String, value: String)] { Self.formFields(query ?? "") }

    /// The fields of a form, as a browser writes them in a query or a body.
    static func formFields(_ text: String) -> [(name: String, value: String)] {
        text.split(separator: "&").compactMap { part in
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            // Forms write a space as a plus sign.
            let value = sides.count > 1 ? sides[1].replacing("+", with: "%20") : ""
            guard let name = PercentEncoding.decode(sides[0]),
                let value = PercentEncoding.decode(value)
            else { return nil }
            return (name, value)
        }
    }
}
