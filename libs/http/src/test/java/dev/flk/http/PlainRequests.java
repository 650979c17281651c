// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A slow but obviously correct reference reader for a stream of requests. It accepts only requests that are short, have
 * few headers, and follow RFC 9112 exactly; each of these has a single meaning. It stops at the first request that it
 * does not accept.
 */
final class PlainRequests {
    private static final int MAX_LINE = 1000;
    private static final String TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";

    private final String bytes;
    private int at;
    private final List<Plain> requests = new ArrayList<>();
    private boolean completeInput;

    record Plain(String method, String target, String body) {
        /** Returns whether the endpoint must get the body. */
        boolean isServed() {
            return method.equals("POST") && (target.equals("/v1/pcs/submit") || target.equals("/v1/pcs/batch"));
        }
    }

    private PlainRequests(byte[] bytes) {
        this.bytes = new String(bytes, StandardCharsets.ISO_8859_1);
    }

    static PlainRequests of(byte[] bytes) {
        PlainRequests plain = new PlainRequests(bytes);
        plain.readAll();
        return plain;
    }

    List<Plain> requests() {
        return requests;
    }

    /** Returns whether the input consists only of these requests. */
    boolean areAll() {
        return completeInput;
    }

    private void readAll() {
        while (at < bytes.length()) {
            Optional<Plain> next = read();
            if (next.isEmpty()) {
                return;
            }
            requests.add(next.get());
        }
        completeInput = true;
    }

    private Optional<Plain> read() {
        String first = line();
        if (first == null || !first.matches(TOKEN + " /[!-~]{0,200} HTTP/1\\.1")) {
            return Optional.empty();
        }
        Map<String, String> headers = new TreeMap<>();
        for (String line = line(); ; line = line()) {
            if (line == null || headers.size() > 20) {
                return Optional.empty();
            }
            if (line.isEmpty()) {
                break;
            }
            int colon = line.indexOf(':');
            if (!line.matches(TOKEN + ": [!-~]+")
                    || headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 2))
                            != null) {
                return Optional.empty();
            }
        }
        Optional<String> body = body(headers);
        headers.keySet().removeAll(List.of("host", "content-length", "transfer-encoding", "accept", "user-agent"));
        String[] parts = first.split(" ", 3);
        boolean plain = headers.isEmpty() && body.isPresent();
        return plain ? Optional.of(new Plain(parts[0], parts[1], body.get())) : Optional.empty();
    }

    private Optional<String> body(Map<String, String> headers) {
        String length = headers.get("content-length");
        String coding = headers.get("transfer-encoding");
        if (!headers.containsKey("host") || (length != null && coding != null)) {
            return Optional.empty();
        }
        if (coding != null) {
            return coding.equals("chunked") ? chunked() : Optional.empty();
        }
        if (length == null) {
            return Optional.of("");
        }
        return length.matches("0|[1-9][0-9]{0,2}") ? limited(take(Integer.parseInt(length))) : Optional.empty();
    }

    private Optional<String> chunked() {
        StringBuilder body = new StringBuilder();
        while (true) {
            String size = line();
            if (size == null || !size.matches("0|[1-9a-fA-F][0-9a-fA-F]{0,2}")) {
                return Optional.empty();
            }
            int length = Integer.parseInt(size, 16);
            String chunk = take(length);
            String end = line();
            if (chunk == null || end == null || !end.isEmpty()) {
                return Optional.empty();
            }
            if (length == 0) {
                return limited(body.toString());
            }
            body.append(chunk);
        }
    }

    /** Returns the body if it is short enough for every endpoint; otherwise empty. */
    private static Optional<String> limited(String body) {
        return Optional.ofNullable(body).filter(text -> text.length() <= HttpFuzzTest.MAX_BODY_BYTES);
    }

    private String line() {
        int end = bytes.indexOf("\r\n", at);
        if (end < 0 || end - at > MAX_LINE) {
            return null;
        }
        String line = bytes.substring(at, end);
        at = end + 2;
        return line;
    }

    private String take(int length) {
        if (length > bytes.length() - at) {
            return null;
        }
        at += length;
        return bytes.substring(at - length, at);
    }
}
