import Glibc
import HTTPServer
import Logging

extension Configuration {
    /// The server's part, with no more connections than there are descriptors left for.
    ///
    /// The process's limit is raised as far as it may be. Clients who do nothing but hold the last
    /// descriptor would else keep the databases from being connected to.
    func servedWithinDescriptors(_ logger: Logger) -> ServerConfiguration {
        var server = serverConfiguration
        let limit = Self.raiseDescriptorLimit(to: server.connectionsMax + ownDescriptors)
        let left = max(1, limit - ownDescriptors)
        if left < server.connectionsMax {
            server.connectionsMax = left
            logger.warning(
                """
                limits.connections is \(limits.connections), but the process may open only \(limit) \
                descriptors: \(left) clients are let in at once. Raise its limit (ulimit -n, \
                LimitNOFILE=), or lower limits.connections
                """)
        }
        return server
    }

    /// Descriptors for all but clients, generously: sessions at their most, and some for the program.
    private var ownDescriptors: Int {
        participants.reduce(state.readers + 64) { $0 + $1.poolSize + $1.finishers + 8 }
    }

    /// Raises how many descriptors the process may open, as far as that is allowed; answers how many.
    private static func raiseDescriptorLimit(to wanted: Int) -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard unsafe getrlimit(resource, &limit) == 0 else { return wanted }
        let target = min(rlim_t(wanted), limit.rlim_max)
        if limit.rlim_cur < target {
            limit.rlim_cur = target
            _ = unsafe setrlimit(resource, &limit)
            _ = unsafe getrlimit(resource, &limit)
        }
        return Int(clamping: limit.rlim_cur)
    }
}
