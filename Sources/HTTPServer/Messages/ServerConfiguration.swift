/// Where a server listens, and its bounds.
public struct ServerConfiguration: Sendable {
    /// A numeric IPv4 address.
    public var host = "127.0.0.1"
    /// The port; 0 for any free one.
    public var port: UInt16 = 0
    /// The largest body, in bytes.
    public var bodyBytesMax = 1_048_576
    /// A body over the limit is read and thrown away up to here, so that the answer arrives; a
    /// longer one is cut off.
    public var discardBytesMax = 8_388_608
    /// The largest request line and headers together, in bytes; twice that is a connection's memory.
    public var headerBytesMax = 16_384
    /// The longest request target, in bytes.
    public var targetBytesMax = 8_192
    /// The most header fields.
    public var headerCountMax = 100
    /// Connections at once; more wait in the listen queue.
    public var connectionsMax = 10_000
    /// From the connection, or from the answer before, to the end of the next request's headers.
    public var headerTimeout: Duration = .seconds(60)
    /// From the headers to the end of the body.
    public var bodyTimeout: Duration = .seconds(20)
    /// From the answer's beginning to its end.
    public var responseTimeout: Duration = .seconds(20)

    /// The defaults.
    public init() {}
}

/// Why a server could not start.
public enum ServerError: Error, Sendable, CustomStringConvertible {
    /// The host is no numeric IPv4 address.
    case badAddress(String)
    /// The address could not be bound.
    case cannotListen(host: String, port: UInt16, reason: String)

    /// One sentence for people.
    public var description: String {
        switch self {
        case .badAddress(let host):
            "cannot listen on \"\(host)\": give a numeric IPv4 address such as 127.0.0.1"
        case .cannotListen(let host, let port, let reason):
            "cannot listen on \(host):\(port): \(reason)"
        }
    }
}
