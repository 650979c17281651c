// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnostics.debug;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What a request says before its body, which nobody reads.
 *
 * @param headers by their names in lower case; of those that come twice both, with a comma in between
 */
record RequestHead(String method, String target, Map<String, String> headers) {
    private static final int MOST_BYTES = 8 << 10;

    RequestHead {
        headers = Map.copyOf(headers);
    }

    /** Empty if it is none of HTTP/1, or too long. */
    static Optional<RequestHead> read(InputStream in) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        int newLines = 0;
        while (newLines < 2) {
            int b = in.read();
            if (b < 0 || head.size() >= MOST_BYTES) {
                return Optional.empty();
            }
            head.write(b);
            newLines = b == '\n' ? newLines + 1 : b == '\r' ? newLines : 0;
        }
        return parse(head.toString(StandardCharsets.ISO_8859_1).lines().toList());
    }

    private static Optional<RequestHead> parse(List<String> lines) {
        String[] words = lines.get(0).split(" ", -1);
        if (words.length != 3 || !words[2].startsWith("HTTP/1.")) {
            return Optional.empty();
        }
        Map<String, String> headers = new HashMap<>();
        for (String line : lines.subList(1, lines.size() - 1)) {
            int colon = line.indexOf(':');
            if (colon < 1) {
                return Optional.empty();
            }
            headers.merge(
                    line.substring(0, colon).toLowerCase(Locale.ROOT),
                    line.substring(colon + 1).strip(),
                    (one, other) -> one + "," + other);
        }
        return Optional.of(new RequestHead(words[0], words[1], headers));
    }

    String path() {
        int query = target.indexOf('?');
        return query < 0 ? target : target.substring(0, query);
    }

    /** The value of a parameter; empty if it is not given. */
    Optional<String> parameter(String name) {
        int query = target.indexOf('?');
        return query < 0
                ? Optional.empty()
                : List.of(target.substring(query + 1).split("&", -1)).stream()
                        .filter(parameter -> parameter.startsWith(name + "="))
                        .map(parameter -> parameter.substring(name.length() + 1))
                        .findFirst();
    }

    /** Whether it asks for this machine by its own name, and no page in a browser sent it. */
    boolean isLocal(int port) {
        String host = headers.getOrDefault("host", "");
        return (host.equals("127.0.0.1:" + port) || host.equals("localhost:" + port))
                && !headers.containsKey("origin")
                && headers.getOrDefault("sec-fetch-site", "none").equals("none");
    }
}
