{{ head }}
#
# Extensions that the application needs: `RUN docker-php-ext-install pdo_mysql` behind the second FROM. Another PHP: the build
# argument PHP_VERSION.

ARG PHP_VERSION={{ version }}
FROM composer:2 AS dependencies
WORKDIR /app

# Dependencies: built again only when the files named here change.
{{ copies }}
RUN --mount=type=cache,target=/tmp/cache \
    composer install --no-dev --no-interaction --prefer-dist --no-scripts --no-autoloader --ignore-platform-reqs

# Source.
COPY . .
RUN composer dump-autoload --no-dev --no-interaction --no-scripts --optimize

FROM php:${PHP_VERSION}-apache
WORKDIR /var/www/html
# A port that needs no rights, the folder that has index.php, and .htaccess files that rewrite.
RUN a2enmod rewrite && sed -i 's/^Listen 80$/Listen {{ port }}/' /etc/apache2/ports.conf \
    && sed -i -e 's/:80>/:{{ port }}>/' -e 's!/var/www/html!/var/www/html{{ public }}!' /etc/apache2/sites-available/000-default.conf
COPY --from=dependencies --chown=www-data /app ./
USER www-data
EXPOSE {{ port }}
