// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds the passwords in the address of a server, even if the address is malformed. In doubt, treats too much of the
 * address as a password rather than too little.
 */
public final class UriSecrets {
    private static final Pattern PARAMETER = Pattern.compile("(?i)[?&;][^=&;#]*pass[^=&;#]*=([^&#]+)");

    private UriSecrets() {}

    /** Returns the passwords in an address, both as written and percent-decoded. */
    public static Set<String> of(String uri) {
        Set<String> secrets = new LinkedHashSet<>();
        int login = uri.indexOf("://") + 3;
        int at = uri.lastIndexOf('@');
        if (login > 2 && at > login) {
            String userInfo = uri.substring(login, at);
            int colon = userInfo.indexOf(':');
            if (colon >= 0) {
                add(secrets, userInfo.substring(colon + 1));
            } else if (uri.toLowerCase(Locale.ROOT).startsWith("redis")) {
                add(secrets, userInfo); // an address of Redis may contain a password without a user name
            }
        }
        Matcher parameter = PARAMETER.matcher(uri);
        while (parameter.find()) {
            add(secrets, parameter.group(1));
        }
        return secrets;
    }

    private static void add(Set<String> secrets, String written) {
        if (!written.isEmpty()) {
            secrets.add(written);
            try {
                secrets.add(URLDecoder.decode(written.replace("+", "%2B"), StandardCharsets.UTF_8));
            } catch (IllegalArgumentException e) {
                // the password is not percent-encoded
            }
        }
    }

    /** Returns the address with its passwords masked. */
    public static String redacted(String uri) {
        String text = uri;
        for (String secret : of(uri)) {
            text = text.replace(secret, "***");
        }
        return text;
    }
}
