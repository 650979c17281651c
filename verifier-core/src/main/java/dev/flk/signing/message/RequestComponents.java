// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing.message;

import dev.flk.signing.message.UnacceptableRequest.Reason;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The components of one request, and the signature base (RFC 9421, section 2.5) that they form. */
final class RequestComponents {
    static final String CONTENT_DIGEST = "content-digest";

    /** The headers that change the meaning of a request. A request that has one of them must be signed with it. */
    private static final List<String> SENSITIVE_HEADERS =
            List.of(CONTENT_DIGEST, "if-match", "if-none-match", "last-event-id");

    /** The maximum length of a target and of a header, in bytes. */
    static final int MAX_VALUE_BYTES = 4096;

    private static final Pattern METHOD = Pattern.compile("[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}");
    private static final Pattern TARGET = Pattern.compile("/[!\"$-~]*");
    private static final Pattern VALUE = Pattern.compile("[ -~]*");

    private final String method;
    private final String path;
    private final @Nullable String query;
    private final Function<String, List<String>> headers;

    /**
     * Creates the components of a request.
     *
     * @param target the path and the query as they are sent, with every percent-encoding unchanged
     * @param headers returns the values of a header, one for each occurrence of the header; called with names in lower
     *     case
     */
    RequestComponents(String method, String target, Function<String, List<String>> headers) throws UnacceptableRequest {
        if (!METHOD.matcher(method).matches()) {
            throw new UnacceptableRequest(Reason.MALFORMED, "The method must be a token of at most 32 characters.");
        }
        if (target.length() > MAX_VALUE_BYTES || !TARGET.matcher(target).matches()) {
            throw new UnacceptableRequest(
                    Reason.MALFORMED,
                    "The target must be a path with an optional query, in at most " + MAX_VALUE_BYTES
                            + " characters of ASCII.");
        }
        int queryStart = target.indexOf('?');
        this.method = method;
        this.path = queryStart < 0 ? target : target.substring(0, queryStart);
        this.query = queryStart < 0 ? null : target.substring(queryStart);
        this.headers = headers;
    }

    /** Returns the components that a signature must cover. */
    List<String> required(boolean hasBody) {
        List<String> required = new ArrayList<>(List.of("@method", "@path"));
        if (query != null) {
            required.add("@query");
        }
        for (String header : SENSITIVE_HEADERS) {
            if (has(header) || (hasBody && header.equals(CONTENT_DIGEST))) {
                required.add(header);
            }
        }
        return required;
    }

    boolean has(String header) {
        return !headers.apply(header).isEmpty();
    }

    /** Returns the value of a header that occurs exactly once, without the white space around it. */
    String header(String name) throws UnacceptableRequest {
        List<String> values = headers.apply(name);
        if (values.isEmpty()) {
            throw new UnacceptableRequest(
                    Reason.COMPONENT_MISSING, "The signature covers the header " + name + ", which is missing.");
        }
        if (values.size() > 1) {
            throw new UnacceptableRequest(
                    Reason.MALFORMED, "The header " + name + " occurs more than once, which is not allowed.");
        }
        String value = values.get(0);
        if (value.length() > MAX_VALUE_BYTES || !VALUE.matcher(value).matches()) {
            throw new UnacceptableRequest(
                    Reason.MALFORMED,
                    "The header " + name + " must have at most " + MAX_VALUE_BYTES + " printable characters of ASCII.");
        }
        return value.strip();
    }

    /**
     * Returns the bytes that a signature covers.
     *
     * @param signatureParams the list of {@code components} with the parameters of the signature
     */
    byte[] signatureBase(List<String> components, String signatureParams) throws UnacceptableRequest {
        StringBuilder base = new StringBuilder();
        for (String component : components) {
            base.append('"')
                    .append(component)
                    .append("\": ")
                    .append(value(component))
                    .append('\n');
        }
        base.append("\"@signature-params\": ").append(signatureParams);
        return base.toString().getBytes(StandardCharsets.US_ASCII);
    }

    private String value(String component) throws UnacceptableRequest {
        return switch (component) {
            case "@method" -> method;
            case "@path" -> path;
            case "@query" -> query();
            case "@authority" -> header("host").toLowerCase(Locale.ROOT);
            default -> {
                if (component.startsWith("@")) {
                    throw new UnacceptableRequest(
                            Reason.UNSUPPORTED,
                            "Of the derived components, a signature may cover only @method, @path, @query and"
                                    + " @authority.");
                }
                yield header(component);
            }
        };
    }

    /**
     * Returns the query with its question mark. A target without a query must not be signed with {@code @query},
     * because the signature would also be valid for the same target with a question mark at the end.
     */
    private String query() throws UnacceptableRequest {
        if (query == null) {
            throw new UnacceptableRequest(
                    Reason.COMPONENT_MISSING, "The signature covers @query, but the target has no query.");
        }
        return query;
    }
}
