import CMicrohttpd

/// A request's head as libmicrohttpd parsed it, in place.
///
/// libmicrohttpd ends each part with a NUL of its own and returns it as a C string. So it silently
/// drops what a client sent after a NUL; a line that begins with one ends the head; and a folded
/// line is joined to the name before it (`Transfer-Encoding` and ` chunked` in two lines become a
/// header of another name). The strings do not show any of this. Their addresses do: the parts of a
/// sound head follow one another without a gap.
struct RequestHead {
    let method: String
    let target: String
    let version: String
    /// Where the fields are in `bytes`; only of a gapless head that is certain.
    let fields: [RequestFields.Place]
    /// The bytes from the method to the end of the empty line after the fields.
    let bytes: [UInt8]
    /// Whether every byte of the head belongs to a part, or is a separator in its place.
    let isGapless: Bool

    init(
        _ connection: OpaquePointer, method: UnsafePointer<CChar>, url: UnsafePointer<CChar>,
        version: UnsafePointer<CChar>, target: String
    ) {
        let origin = unsafe UnsafeRawPointer(method)
        self.method = unsafe String(cString: method)
        self.target = target
        self.version = unsafe String(cString: version)
        fields = unsafe Self.fields(connection, from: origin)
        // A copy, as the connection's memory serves its next request later on.
        bytes = unsafe Array(
            UnsafeRawBufferPointer(start: method, count: cmhd_head_size(connection)))
        isGapless = unsafe Self.isGapless(
            bytes, urlStart: Self.offset(of: url, from: origin),
            versionStart: Self.offset(of: version, from: origin),
            counts: (self.method.utf8.count, target.utf8.count, self.version.utf8.count),
            fields: fields)
    }

    /// A distance of addresses, since a part that was moved lies in other memory.
    private static func offset(of part: UnsafeRawPointer?, from origin: UnsafeRawPointer) -> Int {
        Int(bitPattern: part) &- Int(bitPattern: origin)
    }

    private static func isGapless(
        _ head: [UInt8], urlStart: Int, versionStart: Int,
        counts: (method: Int, target: Int, version: Int), fields: [RequestFields.Place]
    ) -> Bool {
        // One space each in the request line; CR and LF after each line.
        guard urlStart == counts.method + 1, versionStart == urlStart + counts.target + 1
        else { return false }
        var position = versionStart + counts.version + 2
        for field in fields {
            guard field.nameStart == position else { return false }
            position += field.nameCount + 1
            guard position <= field.valueStart, field.valueStart <= head.count,
                head[position..<field.valueStart].allSatisfy({ $0 == 0x20 || $0 == 0x09 })
            else { return false }
            position = field.valueStart + field.valueCount + 2
            guard position <= head.count else { return false }
        }
        return position + 2 == head.count
    }

    @safe private struct Reading {
        let origin: UnsafeRawPointer
        var fields: [RequestFields.Place] = []
    }

    private static func fields(
        _ connection: OpaquePointer, from origin: UnsafeRawPointer
    ) -> [RequestFields.Place] {
        var reading = unsafe Reading(origin: origin)
        reading.fields.reserveCapacity(8)
        unsafe withUnsafeMutablePointer(to: &reading) { reading in
            _ = unsafe MHD_get_connection_values_n(
                connection, .HEADER_KIND,
                { context, _, name, nameCount, value, valueCount in
                    guard let reading = unsafe context?.assumingMemoryBound(to: Reading.self)
                    else { return .NO }
                    unsafe reading.pointee.fields.append(
                        RequestFields.Place(
                            nameStart: RequestHead.offset(of: name, from: reading.pointee.origin),
                            nameCount: nameCount,
                            valueStart: RequestHead.offset(of: value, from: reading.pointee.origin),
                            valueCount: valueCount))
                    return .YES
                }, unsafe reading)
        }
        return reading.fields
    }
}
