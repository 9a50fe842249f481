import Crypto
import HTTPServer
import HTTPTypes

/// The files that pages load: the style sheet, the script and the icon.
///
/// Their paths hold a digest of what is in them, so that a browser may keep them for ever and never
/// has one of another version than its page.
struct Assets: Sendable {
    private struct Asset: Sendable {
        let name: StaticString
        let mediaType: String
        let bytes: [UInt8]
    }

    private let all = [
        Asset(
            name: "console.css", mediaType: "text/css; charset=utf-8",
            bytes: PackageResources.console_css),
        Asset(
            name: "console.js", mediaType: "text/javascript; charset=utf-8",
            bytes: PackageResources.console_js),
        Asset(
            name: "icon.svg", mediaType: "image/svg+xml", bytes: PackageResources.icon_svg),
    ]
    /// The digest of all of them.
    private let digest: String

    init() {
        var hash = SHA256()
        for asset in all { hash.update(data: asset.bytes) }
        digest = hash.finalize().prefix(8).map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }

    var style: Target { target("console.css") }
    var script: Target { target("console.js") }
    var icon: Target { target("icon.svg") }

    private func target(_ name: String) -> Target {
        Target("/assets").appending(digest).appending(name)
    }

    /// The file of this digest and name; nil if there is none, or none any more.
    func response(digest: String?, name: String?) -> ServerResponse? {
        guard digest == self.digest, let asset = all.first(where: { "\($0.name)" == name }) else {
            return nil
        }
        return ServerResponse(
            status: .ok,
            headerFields: [
                .contentType: asset.mediaType,
                .cacheControl: "public, max-age=31536000, immutable",
                .contentTypeOptions: "nosniff",
            ], body: asset.bytes)
    }
}

extension FieldName {
    static let contentTypeOptions = FieldName("X-Content-Type-Options")
    static let contentSecurityPolicy = FieldName("Content-Security-Policy")
    static let referrerPolicy = FieldName("Referrer-Policy")
    static let resourcePolicy = FieldName("Cross-Origin-Resource-Policy")
    static let openerPolicy = FieldName("Cross-Origin-Opener-Policy")
}
