// SPDX-License-Identifier: Apache-2.0
package dev.flk.signing.message;

import dev.flk.signing.SignatureCheck.KeyId;
import dev.flk.signing.message.UnacceptableRequest.Reason;
import java.time.Instant;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The value of the header {@code Signature-Input} with exactly one signature. The value must be spelled as RFC 8941
 * serializes it: one space between components, no other white space, and no leading zeros. The text can then become
 * part of the signature base unchanged. Strings may not contain escaped characters.
 *
 * @param label the name by which the header {@code Signature} refers to the signature
 * @param components the names of the covered components, each once, in the order of the signature base
 * @param signatureParams the text of the value after the label; the signature also covers this text
 * @param expires the last instant at which the signature is valid; null for no limit
 * @param algorithm the name of the algorithm; null if the key determines it
 */
record SignatureInput(
        String label,
        List<String> components,
        String signatureParams,
        Instant created,
        @Nullable Instant expires,
        KeyId keyId,
        String nonce,
        @Nullable String algorithm) {
    private static final int MAX_NONCE_CHARS = 64;
    private static final String KEY = "[a-z*][a-z0-9_.*-]*";
    private static final Pattern MEMBER =
            Pattern.compile("(?<label>" + KEY + ")=(?<signatureParams>\\((?<components>[^()]*)\\)(?<parameters>.*))");
    private static final Pattern COMPONENT = Pattern.compile("\"(?<name>@?[a-z0-9!#$%&'*+.^_`|~-]{1,64})\"");
    private static final Pattern PARAMETER =
            Pattern.compile(";(?<name>" + KEY + ")=(?:\"(?<string>[ !#-\\[\\]-~]*)\"|(?<integer>0|[1-9][0-9]{0,14}))");
    private static final Set<String> STRINGS = Set.of("keyid", "nonce", "alg");
    private static final Set<String> INTEGERS = Set.of("created", "expires");

    static SignatureInput parse(String value) throws UnacceptableRequest {
        Matcher member = MEMBER.matcher(value);
        if (!member.matches()) {
            throw malformed("must have the form label=(components);parameters");
        }
        List<String> components = components(member.group("components"));
        Map<String, String> parameters = parameters(member.group("parameters"));
        String nonce = required(parameters, "nonce");
        if (nonce.isEmpty() || nonce.length() > MAX_NONCE_CHARS) {
            throw malformed("must have a nonce of 1 to " + MAX_NONCE_CHARS + " characters");
        }
        return new SignatureInput(
                member.group("label"),
                components,
                member.group("signatureParams"),
                instant(required(parameters, "created")),
                Optional.ofNullable(parameters.get("expires"))
                        .map(SignatureInput::instant)
                        .orElse(null),
                keyId(required(parameters, "keyid")),
                nonce,
                parameters.get("alg"));
    }

    private static List<String> components(String list) throws UnacceptableRequest {
        Set<String> components = new LinkedHashSet<>();
        for (String each : list.isEmpty() ? new String[0] : list.split(" ", -1)) {
            Matcher component = COMPONENT.matcher(each);
            if (!component.matches()) {
                if (component.lookingAt() && each.charAt(component.end()) == ';') {
                    throw new UnacceptableRequest(
                            Reason.UNSUPPORTED,
                            "Signature-Input has a parameter of the component " + component.group("name")
                                    + ", but components must not have parameters.");
                }
                throw malformed("must list its components in quotes and lower case, separated by one space");
            }
            if (!components.add(component.group("name"))) {
                throw malformed("has the component " + component.group("name") + " twice");
            }
        }
        return List.copyOf(components);
    }

    private static Map<String, String> parameters(String text) throws UnacceptableRequest {
        Map<String, String> parameters = new HashMap<>();
        Matcher parameter = PARAMETER.matcher(text);
        for (int at = 0; at < text.length(); at = parameter.end()) {
            if (!parameter.region(at, text.length()).lookingAt()) {
                throw malformed(
                        "must be exactly one signature, whose parameters have the form ;name=integer or ;name=string");
            }
            String name = parameter.group("name");
            String string = parameter.group("string");
            if (!STRINGS.contains(name) && !INTEGERS.contains(name)) {
                throw new UnacceptableRequest(
                        Reason.UNSUPPORTED,
                        "Signature-Input has another parameter than created, expires, keyid, nonce and alg.");
            }
            if (STRINGS.contains(name) != (string != null)) {
                throw malformed("must have " + name + " as " + (string == null ? "a string" : "an integer"));
            }
            if (parameters.put(name, string == null ? parameter.group("integer") : string) != null) {
                throw malformed("has the parameter " + name + " twice");
            }
        }
        return parameters;
    }

    private static String required(Map<String, String> parameters, String name) throws UnacceptableRequest {
        String value = parameters.get(name);
        if (value == null) {
            throw malformed("must have the parameter " + name);
        }
        return value;
    }

    private static Instant instant(String seconds) {
        return Instant.ofEpochSecond(Long.parseLong(seconds));
    }

    private static KeyId keyId(String text) throws UnacceptableRequest {
        if (!text.matches("[0-9a-f]{8}")) {
            throw malformed("must have a keyid of 8 hex digits, which are derived from the key");
        }
        return new KeyId(text);
    }

    private static UnacceptableRequest malformed(String rule) {
        return new UnacceptableRequest(Reason.MALFORMED, "Signature-Input " + rule + ".");
    }
}
