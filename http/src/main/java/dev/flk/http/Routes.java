// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import io.netty.handler.codec.http.HttpMethod;
import java.util.HashMap;
import java.util.Map;

/**
 * A table of the endpoint for each method and path. Unknown paths lead to an endpoint for them. Must not be modified
 * once a server uses it.
 */
public final class Routes {
    private static final Endpoint POST_ONLY = Endpoint.always(Refusal.methodNotAllowed("POST"));
    private static final Endpoint GET_ONLY = Endpoint.always(Refusal.methodNotAllowed("GET, HEAD"));

    private final Map<String, Endpoint> posts = new HashMap<>();
    private final Map<String, Endpoint> gets = new HashMap<>();
    private final Map<String, Endpoint> getsBelow = new HashMap<>();
    private final Map<String, Endpoint> getsBetween = new HashMap<>();
    private final Endpoint notFound;
    private int maxBodyBytes;

    /** Creates a table without routes. */
    public Routes(Endpoint notFound) {
        this.notFound = notFound;
    }

    /** Adds a route for {@code POST} to this path. */
    public Routes post(String path, Endpoint endpoint) {
        posts.put(path, endpoint);
        maxBodyBytes = Math.max(maxBodyBytes, endpoint.maxBodyBytes());
        return this;
    }

    /** Adds a route for {@code GET} and {@code HEAD} of this path. */
    public Routes get(String path, Endpoint endpoint) {
        gets.put(path, endpoint);
        return this;
    }

    /** Adds a route for {@code GET} and {@code HEAD} of each direct child of this path that has no route of its own. */
    public Routes getBelow(String path, Endpoint endpoint) {
        getsBelow.put(path, endpoint);
        return this;
    }

    /** Adds a route for {@code GET} and {@code HEAD} of {@code below} under each direct child of this path. */
    public Routes getBetween(String path, String below, Endpoint endpoint) {
        getsBetween.put(path + "/" + below, endpoint);
        return this;
    }

    Endpoint find(HttpMethod method, String path) {
        Endpoint post = posts.get(path);
        if (post != null) {
            return method.equals(HttpMethod.POST) ? post : POST_ONLY;
        }
        Endpoint get = gets.get(path);
        int slash = path.lastIndexOf('/');
        if (get == null && slash > 0 && slash < path.length() - 1) {
            get = getsBelow.get(path.substring(0, slash));
            int before = path.lastIndexOf('/', slash - 1);
            if (get == null && before > 0 && before < slash - 1) {
                get = getsBetween.get(path.substring(0, before) + path.substring(slash));
            }
        }
        if (get == null) {
            return notFound;
        }
        return method.equals(HttpMethod.GET) || method.equals(HttpMethod.HEAD) ? get : GET_ONLY;
    }

    /** Returns the longest body that any of the endpoints reads. */
    int maxBodyBytes() {
        return maxBodyBytes;
    }

    /** Returns the path of a request target, which may be an absolute URI and may have a query. */
    static String path(String target) {
        int start = 0;
        if (!target.startsWith("/")) {
            int authority = target.indexOf("://");
            start = authority < 0 ? 0 : target.indexOf('/', authority + 3);
        }
        int query = target.indexOf('?');
        return start < 0 ? "/" : target.substring(start, query < start ? target.length() : query);
    }

    /** Returns the text after the question mark of a request target; empty if the target has none. */
    static String query(String target) {
        int query = target.indexOf('?');
        return query < 0 ? "" : target.substring(query + 1);
    }
}
