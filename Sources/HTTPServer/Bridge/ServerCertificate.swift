import CGnuTLS
import CMicrohttpd
import EventLoop

/// Why a certificate cannot be used.
package struct CertificateError: Error, Sendable, CustomStringConvertible {
    package let description: String
}

/// The certificate that a server shows to its clients, which may be replaced while it serves.
///
/// GnuTLS asks for it in every handshake, so a new one is shown to the next connections, and no open
/// connection is closed for it. TLS 1.2 and 1.3 are spoken, and nothing older.
package final class ServerCertificate: Sendable {
    /// What GnuTLS made of the texts.
    @safe private final class Identity: @unchecked Sendable {
        // Unchecked, because nothing changes it after `init`, and GnuTLS only reads it.
        fileprivate let parts: cgnutls_identity

        init(_ certificate: [UInt8], _ key: [UInt8]) throws(CertificateError) {
            var parts = unsafe cgnutls_identity()
            let result = unsafe Self.withDatum(certificate) { certificate in
                unsafe Self.withDatum(key) { unsafe cgnutls_load(certificate, $0, &parts) }
            }
            guard result == 0 else {
                throw CertificateError(
                    description: unsafe String(cString: gnutls_strerror(result)))
            }
            unsafe self.parts = unsafe parts
        }

        deinit {
            var parts = unsafe parts
            unsafe cgnutls_free(&parts)
        }

        static func withDatum<Result>(
            _ bytes: [UInt8], _ body: (UnsafePointer<gnutls_datum_t>) -> Result
        ) -> Result {
            var bytes = bytes
            return unsafe bytes.withUnsafeMutableBufferPointer { buffer in
                var datum = unsafe gnutls_datum_t(
                    data: buffer.baseAddress, size: UInt32(buffer.count))
                return unsafe body(&datum)
            }
        }
    }

    /// What new connections are shown.
    private let current: Lock<Identity>

    /// Makes a certificate.
    ///
    /// - Parameters:
    ///   - certificate: PEM: the server's own certificate first, then those that lead to its authority.
    ///   - key: PEM: the private key of the first.
    package init(_ certificate: [UInt8], key: [UInt8]) throws(CertificateError) {
        current = Lock(try Identity(certificate, key))
    }

    /// Shows another certificate to the next connections.
    package func replace(_ certificate: [UInt8], key: [UInt8]) throws(CertificateError) {
        let identity = try Identity(certificate, key)
        current.withLock { $0 = identity }
    }

    /// When the first certificate of a PEM text expires, in seconds since 1970; nil if it cannot be read.
    package static func expiration(of certificate: [UInt8]) -> Int? {
        let time = unsafe Identity.withDatum(certificate) { unsafe cgnutls_expiration($0) }
        return time < 0 ? nil : time
    }

    // MARK: Connections

    /// What each open connection is shown, by its socket: GnuTLS says of a handshake only on which one it is.
    ///
    /// A handshake uses it without a copy, so it is kept as long as the connection.
    private static let sockets = Lock<[Int32: Identity]>([:])

    /// Has the present certificate shown on a new connection.
    func insert(_ socket: Int32) {
        let identity = current.withLock { $0 }
        Self.sockets.withLock { $0[socket] = identity }
    }

    /// Forgets a connection that is over.
    func remove(_ socket: Int32) { Self.sockets.withLock { $0[socket] = nil } }

    /// libmicrohttpd's options for TLS.
    static var options: [MHD_OptionItem] {
        unsafe [
            MHD_OptionItem(
                option: .HTTPS_PRIORITIES, value: 0,
                ptr_value: UnsafeMutableRawPointer(mutating: priorities.utf8Start)),
            MHD_OptionItem(
                option: .HTTPS_CERT_CALLBACK, value: 0,
                ptr_value: unsafeBitCast(retrieve, to: UnsafeMutableRawPointer.self)),
        ]
    }

    private static let priorities: StaticString =
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

    /// Called in a handshake, on libmicrohttpd's thread.
    private static let retrieve:
        @convention(c) (
            OpaquePointer?, UnsafePointer<gnutls_datum_t>?, Int32,
            UnsafePointer<gnutls_pk_algorithm_t>?, Int32,
            UnsafeMutablePointer<UnsafeMutablePointer<gnutls_pcert_st>?>?,
            UnsafeMutablePointer<UInt32>?, UnsafeMutablePointer<OpaquePointer?>?
        ) -> Int32 = { session, _, _, _, _, chain, count, key in
            let socket = unsafe gnutls_transport_get_int(session)
            guard let identity = sockets.withLock({ $0[socket] }) else { return -1 }
            unsafe chain?.pointee = unsafe identity.parts.chain
            unsafe count?.pointee = unsafe identity.parts.count
            unsafe key?.pointee = unsafe identity.parts.key
            return 0
        }

    /// Sends bytes at once, as far as that is possible; on the session's own thread.
    static func send(_ bytes: [UInt8], over session: UnsafeMutableRawPointer) {
        _ = unsafe bytes.withUnsafeBytes { bytes in
            unsafe gnutls_record_send(OpaquePointer(session), bytes.baseAddress, bytes.count)
        }
    }
}
