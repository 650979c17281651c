// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import dev.flk.program.config.Secret;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The address of a Postgres server and the login, written as {@code
 * postgresql://user:password@host:5432/database?sslmode=verify-full} or as a JDBC URL with the parameters {@code user}
 * and {@code password}. Values are percent-encoded, and several hosts are separated by commas.
 *
 * @param jdbcUrl the URL without user and password
 * @param user the user; if empty, the driver uses the name of the operating system account
 */
record PostgresUri(String jdbcUrl, String user, Secret password) {
    private static final String HOST = "(?:[A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+])(?::[0-9]{1,5})?";
    private static final Pattern FORM = Pattern.compile("(?:jdbc:)?postgres(?:ql)?://(?:([^@/?#\\s]*)@)?(" + HOST
            + "(?:," + HOST + ")*)/([^@/?#\\s]+)(?:\\?([^#\\s]*))?");

    /** Names of parameters: the name in libpq, and the different name in the driver. */
    private static final Map<String, String> RENAMED =
            Map.of("application_name", "ApplicationName", "connect_timeout", "connectTimeout");

    static PostgresUri parse(String text) {
        Matcher parts = FORM.matcher(text);
        if (!parts.matches()) {
            throw new IllegalArgumentException("not a Postgres URI; write it like "
                    + "postgresql://user:password@host:5432/database, with special characters percent-encoded, such as"
                    + " %40 for @");
        }
        String[] login = (parts.group(1) == null ? "" : parts.group(1)).split(":", 2);
        String user = decoded(login[0]);
        String password = login.length < 2 ? "" : decoded(login[1]);
        List<String> parameters = new ArrayList<>();
        for (String parameter : (parts.group(4) == null ? "" : parts.group(4)).split("&", -1)) {
            String[] sides = parameter.split("=", 2);
            if (sides.length == 2 && sides[0].equals("user")) {
                user = decoded(sides[1]);
            } else if (sides.length == 2 && sides[0].equals("password")) {
                password = decoded(sides[1]);
            } else if (sides.length == 2 && sides[0].equals("target_session_attrs")) {
                parameters.add("targetServerType=" + targetServerType(sides[1]));
            } else if (sides.length == 2) {
                parameters.add(RENAMED.getOrDefault(sides[0], sides[0]) + "=" + sides[1]);
            } else if (!parameter.isEmpty()) {
                throw new IllegalArgumentException("not a Postgres URI: a parameter has no value");
            }
        }
        String query = parameters.isEmpty() ? "" : "?" + String.join("&", parameters);
        return new PostgresUri(
                "jdbc:postgresql://" + parts.group(2) + "/" + parts.group(3) + query, user, new Secret(password));
    }

    private static String targetServerType(String sessionAttributes) {
        return switch (sessionAttributes) {
            case "any" -> "any";
            case "read-write", "primary" -> "primary";
            default ->
                throw new IllegalArgumentException(
                        "a Postgres URI that may select a read-only server; set its target_session_attrs to "
                                + "read-write, primary or any");
        };
    }

    private static String decoded(String text) {
        try {
            return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("not a Postgres URI: a % is not followed by two hex digits", e);
        }
    }
}
