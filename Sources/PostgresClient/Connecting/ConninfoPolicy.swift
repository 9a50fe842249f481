/// Which keywords of libpq a connection string may have, and which hosts, by who writes it.
package struct ConninfoPolicy: Sendable, Hashable {
    private let keywords: [String]
    /// The hosts that it may name; nil for any.
    private let hosts: Set<String>?

    /// For an operator's configuration or a program: everything that a connection of tandem can use.
    ///
    /// The others are refused because they would have no effect, or a bad one: the look-up of a `service` may
    /// block, a `replication` session takes no transactions, and `sslkeylogfile` writes down the keys of TLS.
    package static let configuration = ConninfoPolicy(
        keywords: caller + [
            "hostaddr", "passfile", "options", "fallback_application_name", "client_encoding",
            "target_session_attrs", "load_balance_hosts", "keepalives", "keepalives_idle",
            "keepalives_interval", "keepalives_count", "tcp_user_timeout", "gssencmode",
            "gssdelegation", "gsslib", "krbsrvname", "require_auth", "requirepeer", "sslcert",
            "sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslkey", "sslnegotiation",
            "sslpassword", "sslrootcert", "sslsni", "ssl_min_protocol_version",
            "ssl_max_protocol_version", "min_protocol_version", "max_protocol_version",
            "scram_client_key", "scram_server_key",
        ], hosts: nil)

    /// For a caller of an interface, who must reach neither files nor sockets of this machine, nor hosts that
    /// an operator has not named.
    ///
    /// `hostaddr` would go around the hosts, and `options` could set anything in a session.
    package static func caller(hosts: Set<String>) -> ConninfoPolicy {
        ConninfoPolicy(keywords: caller, hosts: Set(hosts.map { $0.lowercased() }))
    }

    private static let caller = [
        "host", "port", "dbname", "user", "password", "application_name", "connect_timeout",
        "sslmode", "channel_binding",
    ]

    private init(keywords: [String], hosts: Set<String>?) {
        self.keywords = keywords
        self.hosts = hosts
    }

    /// Refuses values as the string gives them; the reason quotes no value.
    func check(_ values: [String: String]) throws(PostgresError) {
        if let other = values.keys.sorted().first(where: { !keywords.contains($0) }) {
            let instead = other == "service" ? "; give host, port and dbname" : ""
            throw .invalidConninfo(
                "\"\(other)\" is not allowed in it\(instead); allowed are "
                    + keywords.joined(separator: ", "))
        }
        guard let hosts else { return }
        // An empty one is the socket of this machine, or what the environment says.
        let named = (values["host"] ?? "").split(separator: ",", omittingEmptySubsequences: false)
        guard named.allSatisfy({ hosts.contains($0.lowercased()) }) else {
            throw .invalidConninfo(
                "\"host\" is not allowed in it; allowed are \(hosts.sorted().joined(separator: ", "))"
            )
        }
    }
}
