// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.http.Endpoint.Kind;
import io.netty.handler.codec.http.HttpMethod;
import java.util.Map;

/** Which endpoint a method and a path lead to; what leads nowhere leads to the endpoint that says so. */
final class Routes {
    private static final String PCS = "/v1/pcs/";
    private static final Endpoint NOT_FOUND = Endpoint.always(Refusal.notFound());
    private static final Endpoint POST_ONLY = Endpoint.always(Refusal.methodNotAllowed("POST"));
    private static final Endpoint GET_ONLY = Endpoint.always(Refusal.methodNotAllowed("GET, HEAD"));

    private final Map<String, Endpoint> posts;
    private final Map<String, Endpoint> gets;
    private final Endpoint lookUp;

    Routes(Endpoint submit, Endpoint batch, Endpoint lookUp, OpsHandler ops) {
        this.posts = Map.of(PCS + "submit", submit, PCS + "batch", batch);
        this.gets = Map.of(
                "/health", Endpoint.bodyless(Kind.OTHER, ops::health),
                "/readyz", Endpoint.bodyless(Kind.OTHER, ops::readyz),
                "/metrics", Endpoint.bodyless(Kind.OTHER, ops::metrics));
        this.lookUp = lookUp;
    }

    Endpoint find(HttpMethod method, String path) {
        Endpoint post = posts.get(path);
        if (post != null) {
            return method.equals(HttpMethod.POST) ? post : POST_ONLY;
        }
        Endpoint get = isLookUp(path) ? lookUp : gets.get(path);
        if (get == null) {
            return NOT_FOUND;
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

    private static boolean isLookUp(String path) {
        return path.startsWith(PCS) && path.length() > PCS.length() && path.indexOf('/', PCS.length()) < 0;
    }

    /** What stands behind the last slash. */
    static String lastSegment(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }
}
