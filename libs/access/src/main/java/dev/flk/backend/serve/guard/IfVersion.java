// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import dev.flk.http.Answer.Header;
import dev.flk.http.Routes.Endpoint.Request;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Versions in the headers {@code If-Match}, {@code If-None-Match} and {@code ETag}. */
public final class IfVersion {
    /** The absence of a condition. */
    public static final long ANY = -1;

    private static final Pattern ETAG = Pattern.compile("\"(0|[1-9][0-9]{0,17})\"");

    private IfVersion() {}

    /**
     * Returns the version that the headers of a request require; 0 if there must be none.
     *
     * @param least the smallest version that {@code If-Match} may name
     */
    public static long of(Request request, long least) {
        List<String> match = request.headers().getAll("If-Match");
        List<String> noneMatch = request.headers().getAll("If-None-Match");
        if (match.isEmpty() && noneMatch.isEmpty()) {
            return ANY;
        }
        if (match.isEmpty() && noneMatch.equals(List.of("*"))) {
            return 0;
        }
        Matcher etag = ETAG.matcher(match.size() == 1 ? match.get(0) : "");
        long version = etag.matches() ? Long.parseLong(etag.group(1)) : ANY;
        if (!noneMatch.isEmpty() || version < least) {
            throw new BadRequest("give If-Match with one version in quotes, such as \"7\", or If-None-Match: *");
        }
        return version;
    }

    /** Returns the header {@code ETag} of a version. */
    public static Header etag(long version) {
        return new Header("ETag", "\"" + version + "\"");
    }
}
