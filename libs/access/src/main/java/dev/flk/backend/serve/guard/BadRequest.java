// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.cli.Printable;
import dev.flk.program.config.Settings;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/** A mistake in the path, query, headers or body of a request; the message is sent to the client with status 400. */
public final class BadRequest extends RuntimeException {
    private static final long serialVersionUID = 1;
    private static final char REPLACEMENT = '\uFFFD';

    public BadRequest(String message) {
        super(message, null, false, false);
    }

    public String text() {
        return String.valueOf(getMessage());
    }

    /**
     * Returns the percent-decoded parameters of a query by name.
     *
     * @throws BadRequest if a name is unknown or repeated, or an escape is malformed
     */
    public static Map<String, String> query(Request request, Set<String> known) {
        return fields(request.query(), known);
    }

    /** Returns the fields of a form, as {@link #query} returns the parameters of a query. */
    public static Map<String, String> fields(String text, Set<String> known) {
        Map<String, String> query = new HashMap<>();
        for (String part : text.isEmpty() ? new String[0] : text.split("&", -1)) {
            int equals = part.indexOf('=');
            String name = decoded(equals < 0 ? part : part.substring(0, equals));
            if (!known.contains(name)) {
                throw new BadRequest("the query has an unknown parameter, " + Printable.of(name) + "; "
                        + (known.isEmpty()
                                ? "there are none here"
                                : "did you mean "
                                        + Settings.nearest(name, known.stream().sorted())
                                        + "? The parameters are "
                                        + String.join(
                                                ", ", known.stream().sorted().toList())));
            }
            if (query.put(name, equals < 0 ? "" : decoded(part.substring(equals + 1))) != null) {
                throw new BadRequest(name + " is given twice");
            }
        }
        return query;
    }

    /** Decodes a part of a path, in which a plus sign is not a space. */
    public static String decodedPath(String text) {
        return decoded(text.replace("+", "%2B"));
    }

    private static String decoded(String text) {
        String decoded;
        try {
            decoded = URLDecoder.decode(text, StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw new BadRequest("a % is not followed by two hex digits");
        }
        if (decoded.indexOf(REPLACEMENT) >= 0) {
            throw new BadRequest("the path or the query is not UTF-8");
        }
        return decoded;
    }

    /** Parses the value of a parameter; {@code parse} throws an {@link IllegalArgumentException} with a description. */
    public static <T> T parsed(String name, String text, Function<String, T> parse) {
        try {
            return parse.apply(text);
        } catch (IllegalArgumentException e) {
            throw new BadRequest(name + " is " + e.getMessage());
        }
    }
}
