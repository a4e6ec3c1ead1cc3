"""The gunicorn worker that the service runs in.

worker      the class that gunicorn is given; answers in JSON what never reaches Flask
waiting     a connection costs a thread only once a whole request is there
answering   an answer costs a thread only as long as somebody takes it
stop        it ends once and in order, told at any moment, any number of times
"""
