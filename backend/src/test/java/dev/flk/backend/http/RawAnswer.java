// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * An answer as it came over the wire.
 *
 * @param headers by lower-case name
 */
record RawAnswer(String statusLine, Map<String, String> headers, String body) {
    int status() {
        return Integer.parseInt(statusLine.substring(9, 12));
    }

    Optional<String> header(String name) {
        return Optional.ofNullable(headers.get(name.toLowerCase(Locale.ROOT)));
    }
}
