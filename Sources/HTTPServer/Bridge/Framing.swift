/// Refuses heads that libmicrohttpd lets through although two readers could read them in two ways:
/// if framing is ambiguous, a second request can hide in the first.
enum Framing {
    struct Checked {
        let target: RequestTarget
        let fields: RequestFields
        var contentLength: Int?
        var expectsContinue = false
    }

    /// What is wrong with a head whose parts do not follow one another.
    static let gap = "expected a head without NUL, folded lines and bare line feeds"

    static func check(
        _ head: RequestHead, limits: ServerConfiguration
    ) -> Result<Checked, ProtocolFailure> {
        guard head.method.utf8.allSatisfy(isToken), !head.method.isEmpty else {
            return .failure(.badRequest("expected a token as method"))
        }
        guard head.target.utf8.count <= limits.targetBytesMax else {
            return .failure(.targetTooLong(limit: limits.targetBytesMax))
        }
        // An unknown minor version counts as the highest known one (RFC 9110, 2.5); libmicrohttpd
        // has checked that both numbers have one digit.
        guard head.version.hasPrefix("HTTP/1.") else {
            return .failure(.badRequest("expected HTTP/1.1 or HTTP/1.0"))
        }
        guard head.fields.count <= limits.headerCountMax else {
            return .failure(.tooManyHeaders(limit: limits.headerCountMax))
        }
        guard head.isGapless else {
            return .failure(.badRequest(gap))
        }
        return RequestTarget.read(head.target, method: head.method).flatMap { target in
            checkFields(of: head, target, isOld: head.version == "HTTP/1.0")
        }.flatMap { found in
            check(found.source, found.hosts, of: head, limits.allowedHosts).map { found.checked }
        }
    }

    /// What a head says, and what is left to check of it.
    private struct Found {
        var checked: Checked
        var hosts: [String] = []
        var source = RequestSource()
    }

    /// Checks that the request is for a host of this server, and comes from no other site.
    private static func check(
        _ source: RequestSource, _ hosts: [String], of head: RequestHead, _ allowed: AllowedHosts?
    ) -> Result<Void, ProtocolFailure> {
        if let allowed, let other = hosts.first(where: { !allowed.allows($0) }) {
            return .failure(.hostNotServed(other))
        }
        guard !RequestSource.matters(for: head.method) || source.isOf(hosts.last) else {
            return .failure(.fromOtherSite)
        }
        return .success(())
    }

    /// Checks the fields; an old version is HTTP/1.0.
    private static func checkFields(
        of head: RequestHead, _ target: RequestTarget, isOld: Bool
    ) -> Result<Found, ProtocolFailure> {
        var found = Found(
            checked: Checked(
                target: target, fields: RequestFields(head, authority: target.authority)))
        var hosts: [String] = []
        var codings: [String] = []
        var lengths: [String] = []
        for field in head.fields {
            let name = head.bytes[field.name]
            let value = head.bytes[field.value]
            guard !name.isEmpty, name.allSatisfy(isFieldNameByte) else {
                return .failure(.badRequest("expected a token as name of a header"))
            }
            guard value.allSatisfy({ $0 == 9 || ($0 >= 0x20 && $0 != 0x7F) }) else {
                let name = String(decoding: name, as: UTF8.self)
                return .failure(
                    .badRequest("expected no control character in the header \(name)"))
            }
            if FieldName.host.matches(name) {
                hosts.append(String(decoding: value, as: UTF8.self))
            } else if FieldName.contentLength.matches(name) {
                lengths.append(String(decoding: value, as: UTF8.self))
            } else if FieldName.transferEncoding.matches(name) {
                codings.append(String(decoding: value, as: UTF8.self))
            } else if !isOld, FieldName.expect.matches(name) {
                // HTTP/1.0 has no expectations, so the field has no meaning there.
                guard String(decoding: value, as: UTF8.self).lowercased() == "100-continue" else {
                    return .failure(.expectationFailed)
                }
                found.checked.expectsContinue = true
            } else {
                found.source.take(name, value)
            }
        }
        guard hosts.count == 1 || (hosts.isEmpty && isOld) else {
            return .failure(.badRequest("expected exactly one Host header"))
        }
        guard hosts.allSatisfy({ RequestTarget.isAuthority($0) }) else {
            return .failure(
                .badRequest("expected a host in the Host header, with or without a port"))
        }
        // The absolute form's host is in effect; what `Host` says has to be right as well.
        found.hosts = hosts + (target.authority.map { [$0] } ?? [])
        return length(lengths, codings, isOld: isOld).map { length in
            found.checked.contentLength = length
            return found
        }
    }

    /// The length of the body, if a number states it; refuses what two readers could read in two
    /// ways.
    private static func length(
        _ lengths: [String], _ codings: [String], isOld: Bool
    ) -> Result<Int?, ProtocolFailure> {
        guard lengths.count <= 1, lengths.isEmpty || codings.isEmpty else {
            return .failure(
                .badRequest("expected Content-Length once, and not together with Transfer-Encoding")
            )
        }
        if !codings.isEmpty { return check(codings: codings, isOld: isOld).map { nil } }
        guard let length = lengths.first else { return .success(nil) }
        guard (1...18).contains(length.utf8.count), length.utf8.allSatisfy(RequestTarget.isDigit)
        else { return .failure(.badRequest("expected a decimal number as Content-Length")) }
        return .success(Int(length))
    }

    /// Accepts only what libmicrohttpd reads as chunked too; the status of a refusal says why.
    private static func check(codings: [String], isOld: Bool) -> Result<Void, ProtocolFailure> {
        guard !isOld else {
            return .failure(.badRequest("expected no Transfer-Encoding in HTTP/1.0"))
        }
        let list = codings.joined(separator: ",").lowercased()
        if list == "chunked" { return .success(()) }
        let names = list.split(separator: ",").map { $0.trimmingPrefix { $0 == " " || $0 == "\t" } }
        // If chunked is not last, the end of the body is unknown.
        guard names.last == "chunked", names.dropLast().allSatisfy({ $0 != "chunked" }),
            names.count > 1
        else {
            return .failure(
                .badRequest("expected chunked as the last transfer coding, and only there"))
        }
        return .failure(.notImplemented("the only supported transfer coding is chunked"))
    }

    /// Whether a token may have this byte (RFC 9110, 5.6.2).
    private static func isFieldNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// Whether a method may have this byte: libmicrohttpd itself lets more pass.
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "!"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
