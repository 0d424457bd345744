{{ head }}
#
# It serves files as they are. A site that has to be made first is of another template, or needs a stage of its own here.

FROM nginxinc/nginx-unprivileged:stable-alpine
COPY {{ folder }} /usr/share/nginx/html
EXPOSE 8080
