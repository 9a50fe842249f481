import CoordinatorAPI
import HTTPServer
import PostgresTransactions
import TransactionEngine

/// The parts of the configuration, as the targets take them.
extension Configuration {
    var stateOptions: StateOptions {
        var options = StateOptions(connection: state.connection, replica: replica.name)
        options.participants = participants.map(\.name)
        options.readers = state.readers
        options.timeout = .milliseconds(state.timeoutMilliseconds)
        options.heartbeat = .seconds(replica.heartbeatSeconds)
        options.lease = .seconds(replica.leaseSeconds)
        options.allowsFsyncOff = state.allowFsyncOff
        options.allowsPrivilegedRole = state.allowPrivilegedRole
        options.hazardInterval = .milliseconds(transactions.hazardIntervalMilliseconds)
        options.isSynchronouslyReplicated = state.synchronouslyReplicated
        return options
    }

    var participantOptions: [ParticipantOptions] {
        participants.map { participant in
            var options = ParticipantOptions(
                name: participant.name, connection: participant.connection)
            options.poolSize = participant.poolSize
            options.contendedSessions = participant.contendedSessions
            options.finishers = participant.finishers
            options.statementTimeout = .milliseconds(participant.statementTimeoutMilliseconds)
            options.lockTimeout = .milliseconds(participant.lockTimeoutMilliseconds)
            options.connectTimeout = .milliseconds(participant.connectTimeoutMilliseconds)
            options.preparedSlots = participant.preparedSlots
            options.hasWitness = participant.witness
            options.journal = participant.journal
            options.allowsPrivilegedRole = participant.allowPrivilegedRole
            options.hazardInterval = .milliseconds(transactions.hazardIntervalMilliseconds)
            options.resultRowsMax = limits.resultRows
            options.resultBytesMax = limits.resultBytes
            return options
        }
    }

    var engineLimits: EngineLimits {
        var engine = EngineLimits()
        engine.inFlightMax = limits.inFlight
        engine.committingMax = limits.committing
        engine.timelinesMax = limits.timelines
        engine.storedResultBytesMax = limits.storedResultBytes
        engine.examinedMax = limits.examinedRows
        engine.queueCountMax = limits.countedTransactions
        engine.finishWait = .milliseconds(transactions.finishWaitMilliseconds)
        engine.orphanGrace = .seconds(transactions.orphanGraceSeconds)
        engine.recoveryInterval = .milliseconds(transactions.recoveryIntervalMilliseconds)
        engine.scanInterval = .milliseconds(transactions.scanIntervalMilliseconds)
        return engine
    }

    var retentionOptions: RetentionOptions {
        var retention = RetentionOptions()
        retention.period = .seconds(transactions.retentionHours * 3600)
        retention.batch = transactions.retentionBatch
        return retention
    }

    var apiSettings: APISettings {
        var settings = APISettings()
        settings.defaultTimeout = .milliseconds(transactions.defaultTimeoutMilliseconds)
        settings.defaultRetries = transactions.defaultRetries
        settings.returnsAtDecision = transactions.returnAt == "decision"
        settings.limits.timeoutMillisecondsMax = transactions.maximumTimeoutMilliseconds
        settings.limits.branchesMax = limits.branches
        settings.limits.statementsPerBranchMax = limits.statementsPerBranch
        return settings
    }

    var forwardedFields: ForwardedFields {
        ForwardedFields(areTrusted: http.trustForwarded, isServedOverTLS: listen.tls != nil)
    }

    /// Whether there are files that a replica reads again while it runs.
    var hasFilesToReload: Bool { access.file != nil || listen.tls != nil }

    var serverConfiguration: ServerConfiguration {
        var server = ServerConfiguration()
        server.host = listen.host
        server.port = UInt16(listen.port)
        server.allowedHosts = AllowedHosts(names: http.hosts, isLoopback: listen.isLoopback)
        server.bodyBytesMax = limits.bodyBytes
        server.discardBytesMax = limits.bodyBytes * 8
        server.connectionsMax = limits.connections
        server.headerTimeout = .seconds(http.headerTimeoutSeconds)
        server.bodyTimeout = .seconds(http.bodyTimeoutSeconds)
        server.responseTimeout = .seconds(http.responseTimeoutSeconds)
        return server
    }
}
