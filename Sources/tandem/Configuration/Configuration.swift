import Foundation
import HTTPServer
import OperatorConsole
import PostgresClient

/// All settings of a replica, validated.
struct Configuration: Sendable {
    struct Listen: Sendable {
        var host = "127.0.0.1"
        var port = 8080
        /// Nil for plain HTTP.
        var tls: TLS?

        var scheme: String { tls == nil ? "http" : "https" }

        /// The host as an address has it: IPv6 is in brackets there.
        var hostInAddress: String { host.contains(":") ? "[\(host)]" : host }

        /// Whether only programs on this machine can connect.
        var isLoopback: Bool { ListenAddress(host)?.isLoopback == true }
    }

    struct Access: Sendable {
        /// The file that says who may do what; nil if everybody may do everything.
        var file: String?
        var reloadMilliseconds = 2000
    }

    /// The certificate that clients are shown, and its key, in PEM.
    struct TLS: Sendable, Equatable {
        var certificateFile: String
        var keyFile: String
    }

    struct State: Sendable {
        var connection: ConnectionOptions
        var readers = 2
        var timeoutMilliseconds = 5000
        var allowFsyncOff = false
        var allowPrivilegedRole = false
        var synchronouslyReplicated = false
    }

    struct Participant: Sendable {
        var name: String
        var connection: ConnectionOptions
        var poolSize = 12
        var contendedSessions: Int?
        var finishers = 4
        var statementTimeoutMilliseconds = 30_000
        var lockTimeoutMilliseconds = 5000
        var connectTimeoutMilliseconds = 3000
        var preparedSlots: Int?
        var witness = false
        var journal = false
        var allowPrivilegedRole = false
    }

    struct Replica: Sendable {
        var name = "replica-1"
        var heartbeatSeconds = 2
        var leaseSeconds = 10
    }

    struct Limits: Sendable {
        var bodyBytes = 1_048_576
        var connections = 10_000
        var inFlight = 1024
        var queued = 1024
        var committing = 1024
        var timelines = 1024
        var consoleStreams = 100
        var branches = 16
        var statementsPerBranch = 100
        var resultRows = 1000
        var resultBytes = 1_048_576
        var storedResultBytes = 65_536
        var examinedRows = 5000
        var countedTransactions = 10_000
    }

    struct Transactions: Sendable {
        var defaultTimeoutMilliseconds = 10_000
        var maximumTimeoutMilliseconds = 60_000
        var defaultRetries = 10
        var returnAt = "end"
        var finishWaitMilliseconds = 5000
        var recoveryIntervalMilliseconds = 2000
        var scanIntervalMilliseconds = 10_000
        var hazardIntervalMilliseconds = 60_000
        var orphanGraceSeconds = 60
        var retentionHours = 168
        var retentionBatch = 500
    }

    struct HTTP: Sendable {
        /// Names that clients reach the replica by; see `AllowedHosts`.
        var hosts: [String] = []
        /// Whether a proxy in front sets the fields that say who its client is.
        var trustForwarded = false
        var headerTimeoutSeconds = 60
        var bodyTimeoutSeconds = 20
        var responseTimeoutSeconds = 20
    }

    struct Tracing: Sendable {
        /// Where spans are posted; nil if nothing is traced.
        var endpoint: URL?
        var sampleRatio = 0.01
        var timeoutSeconds = 10
    }

    /// How operators are notified of what needs them.
    struct Webhook: Sendable {
        struct Receiver: Sendable {
            var url: URL
            var secret: WebhookSecret
        }

        /// Nil if operators are not notified.
        var receiver: Receiver?
        /// Where people read the console, without a slash at the end; nil for messages without links.
        var console: String?
        var intervalMilliseconds = 10_000
        var inDoubtSeconds = 60
        var lostSeconds = 30
        var openAlerts = 100
        var timeoutSeconds = 10
        var retrySeconds = 20
        var retryHours = 72
    }

    struct Log: Sendable {
        var level = "info"
        var format = "text"
        var repeatSeconds = 10
    }

    struct Metrics: Sendable {
        var queueIntervalMilliseconds = 10_000
    }

    var listen = Listen()
    var allowUnauthenticated = false
    var allowPlainText = false
    var access = Access()
    var console = ConsoleMode.full
    var replica = Replica()
    var state: State
    var participants: [Participant]
    var limits = Limits()
    var transactions = Transactions()
    var http = HTTP()
    var tracing = Tracing()
    var webhook = Webhook()
    var shutdownGraceSeconds = 30
    var log = Log()
    var metrics = Metrics()
    /// What works but should be changed, for the log.
    var warnings: [String] = []
}
