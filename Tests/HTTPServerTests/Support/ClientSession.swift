import CGnuTLS
import Glibc

/// A TLS session of a client, which trusts whatever certificate it is shown.
final class ClientSession: @unchecked Sendable {
    // Unchecked: a client is used by one thread at a time.

    /// GnuTLS refused.
    struct Failure: Error, CustomStringConvertible {
        let code: Int32
        var description: String { String(cString: gnutls_strerror(code)) }
    }

    private var session: gnutls_session_t?
    private var credentials: gnutls_certificate_credentials_t?

    /// Shakes hands over a connected socket; with these protocol versions alone, if any are given.
    init(over socket: Int32, priorities: String? = nil) throws {
        try Self.check(gnutls_certificate_allocate_credentials(&credentials))
        try Self.check(gnutls_init(&session, GNUTLS_CLIENT.rawValue))
        if let priorities {
            try Self.check(gnutls_priority_set_direct(session, priorities, nil))
        } else {
            try Self.check(gnutls_set_default_priority(session))
        }
        try Self.check(
            gnutls_credentials_set(
                session, GNUTLS_CRD_CERTIFICATE, UnsafeMutableRawPointer(credentials)))
        gnutls_transport_set_int2(session, socket, socket)
        gnutls_handshake_set_timeout(session, UInt32.max)
        var result: Int32
        repeat {
            result = gnutls_handshake(session)
        } while result < 0
            && gnutls_error_is_fatal(result) == 0
        try Self.check(result)
    }

    /// Shakes hands, and closes the socket if that fails.
    static func closing(_ socket: Int32, priorities: String?) throws -> ClientSession {
        do {
            return try ClientSession(over: socket, priorities: priorities)
        } catch {
            close(socket)
            throw error
        }
    }

    deinit {
        gnutls_deinit(session)
        gnutls_certificate_free_credentials(credentials)
    }

    /// The server's certificate in DER.
    var peerCertificate: [UInt8] {
        var count: UInt32 = 0
        guard let list = gnutls_certificate_get_peers(session, &count), count > 0 else { return [] }
        return Array(UnsafeBufferPointer(start: list[0].data, count: Int(list[0].size)))
    }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let result = bytes[sent...].withUnsafeBytes {
                gnutls_record_send(session, $0.baseAddress, $0.count)
            }
            guard result > 0 else { throw Client.Failure.system("gnutls_record_send", errno) }
            sent += result
        }
    }

    /// Reads some bytes; 0 at the end, however the server has ended it.
    func receive(_ chunk: inout [UInt8]) throws -> Int {
        while true {
            let count = gnutls_record_recv(session, &chunk, chunk.count)
            switch count {
            case Int(GNUTLS_E_INTERRUPTED): continue
            case Int(GNUTLS_E_AGAIN): throw Client.Failure.silence
            default: return max(0, count)
            }
        }
    }

    /// Tells the server that nothing more will come.
    func halfClose() { gnutls_bye(session, GNUTLS_SHUT_WR) }

    private static func check(_ result: Int32) throws {
        guard result >= 0 else { throw Failure(code: result) }
    }
}

/// A certificate that vouches for itself, and its key, in PEM.
struct TestCertificate: Sendable {
    let certificate: [UInt8]
    let key: [UInt8]

    static let shared = TestCertificate("shared")

    /// Makes a certificate with this name and a key of its own, valid for so long from now.
    init(_ name: String, seconds: Int = 86_400) {
        var key: gnutls_x509_privkey_t?
        var certificate: gnutls_x509_crt_t?
        gnutls_x509_privkey_init(&key)
        gnutls_x509_crt_init(&certificate)
        defer {
            gnutls_x509_crt_deinit(certificate)
            gnutls_x509_privkey_deinit(key)
        }
        gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, 256, 0)
        gnutls_x509_crt_set_version(certificate, 3)
        gnutls_x509_crt_set_serial(certificate, [1] as [UInt8], 1)
        gnutls_x509_crt_set_dn(certificate, "CN=\(name)", nil)
        gnutls_x509_crt_set_activation_time(certificate, time(nil) - 60)
        gnutls_x509_crt_set_expiration_time(certificate, time(nil) + seconds)
        gnutls_x509_crt_set_key(certificate, key)
        gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0)
        self.certificate = Self.export {
            gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, $0)
        }
        self.key = Self.export { gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, $0) }
    }

    private static func export(_ write: (UnsafeMutablePointer<gnutls_datum_t>) -> Int32) -> [UInt8]
    {
        var text = gnutls_datum_t()
        guard write(&text) >= 0 else { return [] }
        defer { free(text.data) }
        return Array(UnsafeBufferPointer(start: text.data, count: Int(text.size)))
    }
}
