import Glibc
import HTTPServer
import Logging

extension Configuration {
    /// The server's configuration, with no more connections than descriptors are left for.
    ///
    /// It first raises the process's limit as far as possible. Otherwise clients could hold the last
    /// descriptors, and tandem could not connect to its databases.
    func servedWithinDescriptors(
        _ certificate: CertificateFiles?, _ logger: Logger
    ) -> ServerConfiguration {
        var server = serverConfiguration
        server.certificate = certificate?.certificate
        let limit = Self.raiseDescriptorLimit(to: server.connectionsMax + ownDescriptors)
        let left = max(1, limit - ownDescriptors)
        if left < server.connectionsMax {
            server.connectionsMax = left
            logger.warning(
                """
                limits.connections is \(limits.connections), but the process may open only \(limit) \
                descriptors, so at most \(left) clients can connect at once. Raise the limit \
                (ulimit -n, LimitNOFILE=), or lower limits.connections
                """)
        }
        return server
    }

    /// Descriptors for all but clients: the most sessions there can be, and a reserve.
    private var ownDescriptors: Int {
        participants.reduce(state.readers + 64) { $0 + $1.poolSize + $1.finishers + 8 }
    }

    /// Raises the number of descriptors that the process may open, as far as allowed; returns it.
    private static func raiseDescriptorLimit(to count: Int) -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard unsafe getrlimit(resource, &limit) == 0 else { return count }
        let target = min(rlim_t(count), limit.rlim_max)
        if limit.rlim_cur < target {
            limit.rlim_cur = target
            _ = unsafe setrlimit(resource, &limit)
            _ = unsafe getrlimit(resource, &limit)
        }
        return Int(clamping: limit.rlim_cur)
    }
}
