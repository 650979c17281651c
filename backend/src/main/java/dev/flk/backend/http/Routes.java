// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.http.Endpoint.Kind;
import io.netty.handler.codec.http.HttpMethod;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Which endpoint a method and a path lead to; what leads nowhere leads to the endpoint that says so. */
final class Routes {
    private static final String PCS = "/v1/pcs/";
    private static final Endpoint NOT_FOUND = Endpoint.always(Refusal.notFound());
    private static final Endpoint POST_ONLY = Endpoint.always(Refusal.methodNotAllowed("POST"));
    private static final Endpoint GET_ONLY = Endpoint.always(Refusal.methodNotAllowed("GET, HEAD"));

    private final Map<String, Endpoint> posts;
    private final Map<String, Endpoint> gets;
    private final Endpoint lookUp;
    private final Endpoint otherwise;

    private Routes(Map<String, Endpoint> posts, Map<String, Endpoint> gets, Endpoint lookUp, Endpoint otherwise) {
        this.posts = posts;
        this.gets = gets;
        this.lookUp = lookUp;
        this.otherwise = otherwise;
    }

    /** What a port serves: all, or a part of it. {@code /health} is for everybody, agents among them. */
    static Routes of(
            Served served,
            Endpoint submit,
            Endpoint batch,
            Endpoint lookUp,
            OpsHandler ops,
            @Nullable DebugHandler debug) {
        Map<String, Endpoint> posts = Map.of(PCS + "submit", submit, PCS + "batch", batch);
        Endpoint health = Endpoint.bodyless(Kind.OTHER, ops::health);
        Map<String, Endpoint> operations = new HashMap<>(Map.of(
                "/health", health,
                "/readyz", Endpoint.bodyless(Kind.OTHER, ops::readyz),
                "/metrics", Endpoint.bodyless(Kind.OTHER, ops::metrics)));
        if (debug != null) {
            operations.put("/debug/threads", Endpoint.bodyless(Kind.OTHER, debug::threads));
            operations.put("/debug/heap", Endpoint.bodyless(Kind.OTHER, debug::heap));
            operations.put("/debug/jfr", Endpoint.bodyless(Kind.OTHER, debug::jfr));
        }
        return switch (served) {
            case EVERYTHING -> new Routes(posts, operations, lookUp, NOT_FOUND);
            case CERTIFICATES -> new Routes(posts, Map.of("/health", health), lookUp, NOT_FOUND);
            case OPERATIONS, OPERATIONS_AND_DEBUG -> new Routes(Map.of(), operations, NOT_FOUND, NOT_FOUND);
        };
    }

    /** Everything leads to {@code endpoint}. */
    static Routes toOne(Endpoint endpoint) {
        return new Routes(Map.of(), Map.of(), endpoint, endpoint);
    }

    Endpoint find(HttpMethod method, String path) {
        Endpoint post = posts.get(path);
        if (post != null) {
            return method.equals(HttpMethod.POST) ? post : POST_ONLY;
        }
        Endpoint get = isLookUp(path) ? lookUp : gets.get(path);
        if (get == null || get == otherwise) {
            return otherwise;
        }
        return method.equals(HttpMethod.GET) || method.equals(HttpMethod.HEAD) ? get : GET_ONLY;
    }

    /** The path of a request target, which may be a whole URI and may have a query. */
    static String path(String target) {
        int start = 0;
        if (!target.startsWith("/")) {
            int authority = target.indexOf("://");
            start = authority < 0 ? 0 : target.indexOf('/', authority + 3);
        }
        int query = target.indexOf('?');
        return start < 0 ? "/" : target.substring(start, query < start ? target.length() : query);
    }

    /** What stands behind the question mark of a request target; empty if there is none. */
    static String query(String target) {
        int query = target.indexOf('?');
        return query < 0 ? "" : target.substring(query + 1);
    }

    private static boolean isLookUp(String path) {
        return path.startsWith(PCS) && path.length() > PCS.length() && path.indexOf('/', PCS.length()) < 0;
    }

    /** What stands behind the last slash. */
    static String lastSegment(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }
}
