/// The table of all metrics; docs/MONITORING.md shows the same, and a test compares the two.
extension Metric {
    /// From half a millisecond to a minute: a transaction and its parts.
    private static let seconds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    // MARK: Transactions

    static let transactions = counter(
        "tandem_transactions_total", labels: ["outcome", "commit_mode"],
        help: "Transactions that ended here, by how they ended and how they commit.")
    static let aborts = counter(
        "tandem_aborts_total", labels: ["cause"],
        help: "Aborted runs of transactions, retried ones among them, by what made them abort.")
    static let requests = histogram(
        "tandem_request_duration_seconds", labels: ["answer"], buckets: seconds,
        help: "From a request for a transaction to its answer, retries included, by the answer.")
    static let refusals = counter(
        "tandem_refusals_total", labels: ["reason"],
        help: "Requests that were refused before anything was accepted, by the reason.")
    static let transactionDuration = histogram(
        "tandem_transaction_duration_seconds", labels: ["outcome"], buckets: seconds,
        help: "From the arrival of a request to the end of every branch, by how it ended.")
    static let phaseDuration = histogram(
        "tandem_phase_duration_seconds", labels: ["phase"], buckets: seconds,
        help: "Phases of a transaction: admission (the wait for sessions), work (to the last vote, "
            + "PREPARE included), decision (until it is durable), finish (to the end of every branch)."
    )
    static let branches = histogram(
        "tandem_transaction_branches", buckets: [1, 2, 3, 4, 6, 8, 12, 16, 32, 64],
        help: "Branches of the transactions that ended here.")
    static let retries = counter(
        "tandem_retries_total", labels: ["cause"],
        help: "Transactions that lost to others and whose request ran again, by what they lost.")
    static let deadlockVictims = counter(
        "tandem_deadlock_victims_total", labels: ["found_by"],
        help: "Runs that were aborted in a deadlock, found by tandem or by PostgreSQL.")
    static let deadlockCycles = counter(
        "tandem_deadlock_cycles_total", labels: ["span"],
        help: "Deadlocks that tandem confirmed: within one participant, or over several.")
    static let inFlight = gauge(
        "tandem_transactions_in_flight", help: "Transactions that this replica coordinates now.")
    static let requestsWaiting = gauge(
        "tandem_requests_waiting", help: "Requests that wait for sessions of participants now.")

    // MARK: Finishing and recovery

    static let finishFailures = counter(
        "tandem_finish_failures_total", labels: ["participant", "retryable"],
        help:
            "Attempts to finish a branch that failed; one that is not retryable leaves the branch "
            + "to an operator.")
    static let heuristicOutcomes = counter(
        "tandem_heuristic_outcomes_total", labels: ["participant"],
        help: "Branches that ended against the decision, or that nothing proves.")
    static let recoveredTransactions = counter(
        "tandem_recovered_transactions_total",
        help: "Transactions taken over from ended incarnations and other replicas.")
    static let recoveryPasses = counter(
        "tandem_recovery_passes_total", labels: ["result"],
        help: "Recovery passes over the rows of the state database.")
    static let recoveryActions = counter(
        "tandem_recovery_actions_total", labels: ["action"],
        help: "What recovery changed besides taking transactions over.")
    static let scans = counter(
        "tandem_scans_total", labels: ["participant", "result"],
        help: "Scans of a participant's prepared transactions.")
    static let orphans = gauge(
        "tandem_orphaned_prepared_transactions", labels: ["participant"],
        help:
            "Prepared transactions of this installation that had ended, or had no row, at the last "
            + "scan.")
    static let unresolved = gauge(
        "tandem_unresolved_prepared_transactions", labels: ["participant"],
        help: "Prepared transactions that are left to an operator, at the last scan.")

    // MARK: Participants

    static let participantUp = gauge(
        "tandem_participant_up", labels: ["participant"],
        help: "1 if work can be sent to the participant, else 0.")
    static let poolSize = gauge(
        "tandem_pool_size", labels: ["participant"],
        help: "Working sessions that the participant may have.")
    static let poolConnections = gauge(
        "tandem_pool_connections", labels: ["participant", "state"],
        help: "Working sessions that are open, idle or in use.")
    static let connections = counter(
        "tandem_connections_total", labels: ["participant", "pool", "event"],
        help: "Connections to a participant that were opened, failed to open, or were closed.")
    static let connectionWait = histogram(
        "tandem_connection_wait_seconds", labels: ["participant", "pool"], buckets: seconds,
        help: "Waits for a session that finishes branches or reads statuses; the wait for working "
            + "sessions is the phase admission.")
    static let slotsUsed = gauge(
        "tandem_prepared_slots_used", labels: ["participant", "holder"],
        help:
            "Slots for prepared transactions of the participant's server that are in use: by this "
            + "replica's branches, or by all others when they were last counted.")
    static let slotsLimit = gauge(
        "tandem_prepared_slots_limit", labels: ["participant"],
        help: "max_prepared_transactions of the participant's server.")
    static let prepared = gauge(
        "tandem_prepared_transactions", labels: ["participant"],
        help:
            "Prepared transactions of the participant's server, of all programs, at the last scan.")
    static let foreign = gauge(
        "tandem_foreign_prepared_transactions", labels: ["participant"],
        help: "Those of them that do not bear this installation's name.")
    static let oldestPrepared = gauge(
        "tandem_oldest_prepared_seconds", labels: ["participant"],
        help: "Age of the oldest of them at the last scan; 0 if there were none.")
    static let xminAge = gauge(
        "tandem_oldest_prepared_xmin_age", labels: ["participant"],
        help: "Transaction ids given out since the oldest of them: so far back VACUUM is held up.")
    static let scannedAt = gauge(
        "tandem_scan_timestamp_seconds", labels: ["participant"],
        help: "When the participant's prepared transactions were last read.")
    static let hazard = gauge(
        "tandem_hazard", labels: ["participant", "hazard"],
        help: "1 if the participant's server has what can undo two-phase commit, else 0.")
    static let transactionIDsLeft = gauge(
        "tandem_transaction_ids_left", labels: ["participant"],
        help: "Transaction ids that the participant's server can assign before it refuses to write."
    )
    static let wraparound = gauge(
        "tandem_wraparound_seconds", labels: ["participant"],
        help: "How long these last at the pace of the last hour, if VACUUM freezes nothing.")

    // MARK: The state database

    static let flushDuration = histogram(
        "tandem_log_flush_duration_seconds", buckets: seconds,
        help: "From sending a batched log write to its answer.")
    static let flushRecords = histogram(
        "tandem_log_flush_records", buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
        help: "Records of a batched log write.")
    static let flushFailures = counter(
        "tandem_log_flush_failures_total",
        help: "Batched log writes that failed, or of which it is unknown.")
    static let recordsWaiting = gauge(
        "tandem_log_records_waiting", help: "Records that wait for the next batched log write.")
    static let stateDatabaseUp = gauge(
        "tandem_state_database_up", help: "1 if the last heartbeat was written, else 0.")
    static let quarantined = gauge(
        "tandem_quarantined", help: "1 while the state database is in quarantine, else 0.")
    static let stateHazard = gauge(
        "tandem_state_database_hazard", labels: ["hazard"],
        help: "1 if the state database's server has what can lose decisions, else 0.")
    static let running = gauge(
        "tandem_running", by: .server,
        help: "Undecided transactions before their deadline, of all replicas.")
    static let inDoubt = gauge(
        "tandem_in_doubt", by: .server,
        help: "Undecided transactions past their deadline, of all replicas.")
    static let retrying = gauge(
        "tandem_retrying", by: .server,
        help: "Decided transactions with branches that could not be finished yet, of all replicas.")
    static let needsOperator = gauge(
        "tandem_needs_operator", by: .server,
        help: "Transactions that wait for an operator, of all replicas.")
    static let oldestRunning = gauge(
        "tandem_oldest_running_seconds", by: .server,
        help: "Age of the oldest undecided transaction before its deadline; 0 if there is none.")
    static let oldestInDoubt = gauge(
        "tandem_oldest_in_doubt_seconds", by: .server,
        help: "Age of the oldest transaction in doubt; 0 if there is none.")
    static let oldestRetrying = gauge(
        "tandem_oldest_retrying_seconds", by: .server,
        help: "Age of the oldest transaction that is being retried; 0 if there is none.")
    static let oldestNeedsOperator = gauge(
        "tandem_oldest_needs_operator_seconds", by: .server,
        help: "Age of the oldest transaction that waits for an operator; 0 if there is none.")
    static let queuesReadAt = gauge(
        "tandem_queues_timestamp_seconds", by: .server,
        help: "When the four queues were last read from the state database.")

    // MARK: The process

    static let accessRefusals = counter(
        "tandem_access_refusals_total", labels: ["reason"], by: .server,
        help: "Requests that were refused for who sent them, by the reason.")
    static let accessFileRefused = gauge(
        "tandem_access_file_refused", by: .server,
        help: "1 while the access file has a fault, and the one before it is in effect, else 0.")
    static let webhookMessages = counter(
        "tandem_webhook_messages_total", labels: ["result"], by: .server,
        help: "Messages to operators: accepted, failed (sent again) or abandoned.")
    static let webhookUndelivered = gauge(
        "tandem_webhook_undelivered", by: .server,
        help: "Messages to operators that were tried and not accepted yet, of all replicas.")
    static let httpDuration = histogram(
        "tandem_http_request_duration_seconds", labels: ["route", "method"], buckets: seconds,
        by: .server,
        help: "From a whole request to its answer, by the route's template and method.")
    static let httpRequests = counter(
        "tandem_http_requests_total", labels: ["route", "method", "status"], by: .server,
        help: "Requests by the route's template, method and status.")
    static let buildInfo = gauge(
        "tandem_build_info", labels: ["version", "swift"],
        help: "1, with the version of tandem and of the Swift language it was compiled in.")

    /// All metrics, in the order of the documentation.
    package static let all: [Metric] = [
        transactions, aborts, requests, refusals, transactionDuration, phaseDuration, branches,
        retries, deadlockVictims, deadlockCycles, inFlight, requestsWaiting,
        finishFailures, heuristicOutcomes, recoveredTransactions, recoveryPasses, recoveryActions,
        scans, orphans, unresolved,
        participantUp, poolSize, poolConnections, connections, connectionWait, slotsUsed,
        slotsLimit, prepared, foreign, oldestPrepared, xminAge, scannedAt, hazard,
        transactionIDsLeft, wraparound,
        flushDuration, flushRecords, flushFailures, recordsWaiting, stateDatabaseUp, quarantined,
        stateHazard,
        running, oldestRunning, inDoubt, oldestInDoubt, retrying, oldestRetrying, needsOperator,
        oldestNeedsOperator, queuesReadAt,
        accessRefusals, accessFileRefused, webhookMessages, webhookUndelivered, httpRequests,
        httpDuration, buildInfo,
    ]
}
