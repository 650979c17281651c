// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import org.jspecify.annotations.Nullable;

/** A function that handles each call of an object, usually by passing the call to another object. */
interface CallInterceptor {
    @Nullable
    Object intercept(Method method, Object[] arguments) throws Exception;

    /** Returns an object whose calls are intercepted. An exception of a method that is invoked ends the call. */
    static <T> T wrap(Class<T> type, CallInterceptor calls) {
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> {
                    try {
                        return calls.intercept(method, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                }));
    }
}
